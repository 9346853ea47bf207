//! Delivery facts, added to their rows.

use std::collections::HashMap;

use fanfare_types::{AppId, DeviceRef, Facts, Failing};
use futures_util::stream::{StreamExt, iter};

use super::counted::Counted;
use super::judge::unknown;
use super::{AT_ONCE, Room};
use crate::Result;

impl Room {
    /// One read and one write for each row. Rows that are gone, or another user's by now, are passed over.
    pub(super) async fn record_facts(&self, facts: Vec<Facts>) -> Result<Vec<Failing>> {
        let added = iter(by_row(facts)).map(|of_row| self.add(of_row));
        let added: Vec<_> = added.buffered(AT_ONCE).collect().await;
        let is_partly_told = added.iter().any(|added| added.is_ok());
        let mut failing = Vec::new();
        for added in added {
            // Told again, those that were written would count twice.
            let added = match is_partly_told {
                true => added.map_err(unknown)?,
                false => added?,
            };
            failing.extend(added);
        }
        Ok(failing)
    }

    /// Facts of one row.
    async fn add(&self, facts: Vec<Facts>) -> Result<Option<Failing>> {
        let Some(Facts { app, device, .. }) = facts.first() else {
            return Ok(None);
        };
        let Some(mut row) = self.one_timed(app, device).await? else {
            return Ok(None);
        };
        let mut failures = None;
        for facts in &facts {
            let counted = Counted::of(&row.device, facts);
            counted.add_to(&mut row.device);
            failures = Some(counted);
        }
        let Some(counted) = failures else {
            return Ok(None);
        };
        // By no clock: whoever rewrites or removes the row does so at a later timestamp.
        let at = row.facts_at + 1;
        let name = (app.as_str(), device.user.as_str(), &device.id.0.0[..]);
        let values = (at, counted.pack(), name.0, name.1, name.2);
        self.db.write(&self.statements.facts, values).await?;
        let has_failed = facts.iter().any(|facts| facts.failures > 0);
        let is_failing = has_failed && counted.failures() > 0;
        Ok(is_failing.then(|| Failing {
            app: app.clone(),
            device: device.clone(),
            consecutive_failures: counted.failures(),
        }))
    }
}

/// In the order they came.
fn by_row(facts: Vec<Facts>) -> Vec<Vec<Facts>> {
    let mut places: HashMap<(AppId, DeviceRef), usize> = HashMap::new();
    let mut rows: Vec<Vec<Facts>> = Vec::with_capacity(facts.len());
    for facts in facts {
        let name = (facts.app.clone(), facts.device.clone());
        let place = *places.entry(name).or_insert(rows.len());
        match rows.get_mut(place) {
            Some(row) => row.push(facts),
            None => rows.push(vec![facts]),
        }
    }
    rows
}
