//! The change that writes one row, and what else goes with it.

use fanfare_types::{AddressKey, Change, Claim, Device, DeviceId, DeviceRef, Expect, Put};

use super::Decision;

pub(super) fn present(row: &Device) -> Expect {
    Expect::Present {
        user: row.user.clone(),
        revision: row.revision,
    }
}

/// A change under construction that writes one row.
pub(super) struct Writing {
    pub(super) device: Device,
    expect: Expect,
    key: AddressKey,
    claim: Option<Claim>,
    remove: Vec<DeviceRef>,
    pub(super) revoked: Vec<DeviceId>,
}

impl Writing {
    pub(super) fn new(device: Device, expect: Expect, key: AddressKey) -> Self {
        Writing {
            device,
            expect,
            key,
            claim: None,
            remove: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// Rule 3. A row that keeps the address it holds needs no claim: its revision stands for it.
    pub(super) fn take_address(&mut self, holder: Option<&Device>, written: Option<&Device>) {
        let stays =
            holder.is_some_and(|row| row.id == self.device.id && row.user == self.device.user);
        if stays && written.is_some() {
            return;
        }
        self.claim = Some(Claim {
            key: self.key,
            holder: holder.map(Device::as_ref),
        });
        if let Some(row) = holder.filter(|row| row.id != self.device.id) {
            self.drop_row(row);
        }
    }

    /// The limit: of the rows that would stay beside the written one, those seen longest ago go.
    pub(super) fn make_room(&mut self, own: &[Device], rows_max: usize) {
        let others = own.iter().filter(|row| {
            row.id != self.device.id && !self.remove.iter().any(|gone| gone.id == row.id)
        });
        let mut others: Vec<_> = others.collect();
        let beside = rows_max.saturating_sub(1);
        let excess = others.len().saturating_sub(beside);
        others.sort_unstable_by_key(|row| (row.last_seen_at, row.id));
        for row in &others[..excess] {
            self.drop_row(row);
        }
    }

    /// The row goes away; once, however often that is decided.
    pub(super) fn drop_row(&mut self, row: &Device) {
        if self.remove.iter().any(|gone| gone.id == row.id) {
            return;
        }
        self.remove.push(row.as_ref());
        self.revoked.push(row.id);
    }

    pub(super) fn decide(self, is_new: bool) -> Decision {
        let put = Put {
            device: self.device.clone(),
            key: self.key,
            expect: self.expect,
        };
        Decision {
            change: Change {
                app: self.device.app.clone(),
                put: Some(put),
                remove: self.remove,
                claim: self.claim,
            },
            device: self.device,
            is_new,
            revoked: self.revoked,
        }
    }
}
