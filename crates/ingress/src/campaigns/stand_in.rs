//! The stand-in's campaigns: a small book in memory, which keeps the rules of `core`.

use std::collections::HashMap;

use fanfare_actors::campaigns::{Appended, CampaignView, NewCampaign};
use fanfare_actors::{Error, Result};
use fanfare_core::campaign::{self, Command, Impossible, Known};
use fanfare_store::campaigns::{
    Audienced, Block, CampaignDeliveries, CampaignDelivery, DeliveryCursor, Named, Upload,
    UploadRow,
};
use fanfare_types::{AppId, Audience, CampaignId, CampaignRecord, CampaignState, Counts, Outcome};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::rooms::CampaignRooms;
use crate::stand_in::{NOW, StandIn};

/// Digest of a body, and the campaign that it made.
type First = ([u8; 32], CampaignId);

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) views: Mutex<Vec<CampaignView>>,
    /// What was uploaded to each, and in how many blocks.
    pub(crate) rows: Mutex<HashMap<CampaignId, Vec<UploadRow>>>,
    pub(crate) blocks: Mutex<Vec<usize>>,
    pub(crate) deliveries: Mutex<Vec<CampaignDelivery>>,
    /// Whom an audience that is no upload has.
    pub(crate) audience: Mutex<Audienced>,
    /// How often anybody asked how one stands.
    pub(crate) looks: Mutex<usize>,
    /// Told of each block that was taken.
    pub(crate) appended: tokio::sync::Notify,
    keys: Mutex<HashMap<[u8; 32], First>>,
}

impl Book {
    #[cfg(feature = "fuzzing")]
    pub(crate) fn forget(&self) {
        self.views.lock().clear();
        self.rows.lock().clear();
        self.blocks.lock().clear();
        self.keys.lock().clear();
    }

    fn find(&self, app: &AppId, id: CampaignId) -> Option<CampaignView> {
        let views = self.views.lock();
        let is_it = |view: &&CampaignView| view.record.app == *app && view.record.id == id;
        views.iter().find(is_it).cloned()
    }

    fn put(&self, changed: CampaignView) -> CampaignView {
        for view in self.views.lock().iter_mut() {
            if view.record.id == changed.record.id {
                *view = changed.clone();
            }
        }
        changed
    }

    fn create(&self, new: NewCampaign) -> Result<CampaignView> {
        let id = CampaignId::new(NOW, self.views.lock().len() as u64);
        if let Some(key) = &new.idempotency {
            let mut keys = self.keys.lock();
            if let Some((body, first)) = keys.get(&key.key).copied() {
                return match body == key.body {
                    true => Ok(self.find(&new.app, first).expect("it was made")),
                    false => Err(Error::IdempotencyConflict),
                };
            }
            keys.insert(key.key, (key.body, id));
        }
        let view = view(id, new);
        self.views.lock().push(view.clone());
        Ok(view)
    }

    fn steer(&self, app: &AppId, id: CampaignId, command: Command) -> Result<Option<CampaignView>> {
        let Some(mut view) = self.find(app, id) else {
            return Ok(None);
        };
        let is_upload = view.record.audience == Audience::Upload;
        let known = Known {
            upload_incomplete: is_upload && !view.upload.is_complete,
            is_empty: match is_upload {
                true => view.upload.rows == 0,
                false => self.audience.lock().is_surely_empty(),
            },
            ttl: view.record.ttl,
        };
        let next = campaign::steer(command, &view.standing, known, NOW);
        if let Some(next) = next.map_err(Error::Impossible)? {
            view.standing = next;
        }
        Ok(Some(self.put(view)))
    }

    fn append(&self, app: &AppId, id: CampaignId, block: Block) -> Result<Option<Appended>> {
        let Some(mut view) = self.find(app, id) else {
            return Ok(None);
        };
        let from = view.standing.state;
        if !matches!(from, CampaignState::Draft | CampaignState::Scheduled) {
            return Err(Error::Impossible(Impossible::State { from }));
        }
        if block.from != view.upload.bytes && !block.replaces {
            return Ok(Some(Appended::DoesNotFit(view.upload)));
        }
        let mut rows = self.rows.lock();
        let rows = rows.entry(id).or_default();
        if block.replaces {
            rows.clear();
        }
        self.blocks.lock().push(block.rows.len());
        rows.extend(block.rows);
        view.upload = block.upload;
        view.total = view.upload.rows;
        view.counts.waiting = view.total;
        let upload = self.put(view).upload;
        self.appended.notify_one();
        Ok(Some(Appended::Taken(upload)))
    }
}

fn view(id: CampaignId, new: NewCampaign) -> CampaignView {
    CampaignView {
        standing: campaign::draft(new.rate, new.start_at, NOW),
        record: CampaignRecord {
            id,
            app: new.app,
            name: new.name,
            created_at: NOW,
            audience: new.audience,
            message: new.message,
            variables: new.variables,
            missing_variable: new.missing_variable,
            priority: new.priority,
            collapse_key: new.collapse_key,
            on_unknown: new.on_unknown,
            ttl: new.ttl,
        },
        upload: Upload::default(),
        total: 0,
        total_is_estimate: false,
        counts: Counts::default(),
        rate_now: 0.0,
        eta: None,
    }
}

impl StandIn {
    fn answer_with<T: Send + 'static>(
        &self,
        answer: impl FnOnce() -> Result<T>,
    ) -> BoxFuture<'_, Result<T>> {
        let answer = self.answer(answer);
        answer.map(|answer| answer.and_then(|inner| inner)).boxed()
    }
}

impl CampaignRooms for StandIn {
    fn create(&self, new: NewCampaign) -> BoxFuture<'_, Result<CampaignView>> {
        self.answer_with(|| self.book.create(new))
    }

    fn campaign<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
    ) -> BoxFuture<'a, Result<Option<CampaignView>>> {
        *self.book.looks.lock() += 1;
        self.answer(|| self.book.find(app, id))
    }

    fn campaigns<'a>(
        &'a self,
        app: &'a AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<CampaignView>>> {
        self.answer(|| {
            let views = self.book.views.lock();
            let newest = views.iter().rev().filter(|view| view.record.app == *app);
            let is_before = |view: &&CampaignView| before.is_none_or(|id| view.record.id < id);
            newest.filter(is_before).take(limit).cloned().collect()
        })
    }

    fn steer<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        command: Command,
    ) -> BoxFuture<'a, Result<Option<CampaignView>>> {
        self.answer_with(|| self.book.steer(app, id, command))
    }

    fn append<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        block: Block,
    ) -> BoxFuture<'a, Result<Option<Appended>>> {
        self.answer_with(|| self.book.append(app, id, block))
    }

    fn campaign_deliveries<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<CampaignDeliveries>>> {
        self.answer(|| {
            self.book.find(app, id)?;
            let deliveries = self.book.deliveries.lock();
            let wanted = |(_, row): &(usize, &CampaignDelivery)| {
                outcome.is_none_or(|outcome| row.ended.outcome == outcome)
            };
            let rows = deliveries.iter().enumerate().skip(from.index as usize);
            let rows: Vec<_> = rows.filter(wanted).take(limit).collect();
            let next = rows.last().map(|(index, _)| index + 1);
            let next = next.filter(|next| *next < deliveries.len());
            let next = next.and_then(|next| u32::try_from(next).ok());
            Some(CampaignDeliveries {
                rows: rows.into_iter().map(|(_, row)| row.clone()).collect(),
                next: next.map(|index| DeliveryCursor { batch: 7, index }),
            })
        })
    }

    fn count<'a>(
        &'a self,
        _: &'a AppId,
        id: CampaignId,
        audience: Audience,
        _: u64,
    ) -> BoxFuture<'a, Result<Audienced>> {
        self.answer(|| {
            let rows = self.book.rows.lock();
            let uploaded = rows.get(&id).map_or(0, |rows| rows.len() as u64);
            match audience {
                Audience::Upload => Audienced {
                    recipients: uploaded,
                    scanned: uploaded,
                    is_whole: true,
                },
                _ => *self.book.audience.lock(),
            }
        })
    }

    fn uploaded<'a>(
        &'a self,
        _: &'a AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'a, Result<Option<UploadRow>>> {
        self.answer(|| {
            let rows = self.book.rows.lock();
            let mut rows = rows.get(&id)?.iter();
            rows.find(|row| named.contains(&row.to)).cloned()
        })
    }
}
