//! The last few renderings of a connection: deliveries of one notification and locale share one.

use std::fmt;
use std::sync::Arc;

use fanfare_types::message::Localized;
use fanfare_types::{Delivery, NotificationId};

/// How many renderings are kept, so that the locales of one notification, or two notifications that take turns
/// on a connection, do not push each other out. A rendering is at most a payload and its headers: about 6 KiB.
const KEPT: usize = 8;

/// Renderings by notification and device locale, the oldest replaced first. `Debug` shows no content.
pub(crate) struct Recent<T> {
    kept: Vec<Kept<T>>,
    /// Where the last one was found or put.
    last: usize,
    /// Which one is replaced next.
    oldest: usize,
}

struct Kept<T> {
    id: NotificationId,
    locale: Option<Arc<str>>,
    rendering: T,
}

impl<T> Recent<T> {
    pub(crate) fn new() -> Self {
        Recent {
            kept: Vec::new(),
            last: 0,
            oldest: 0,
        }
    }

    /// The rendering for this delivery, made by `render` if it is not at hand. Failures are not kept.
    pub(crate) fn get<E>(
        &mut self,
        delivery: &Delivery,
        render: impl FnOnce(Option<&Localized>) -> Result<T, E>,
    ) -> Result<&T, E> {
        let message = &delivery.live.message;
        // Without localized texts, all locales look the same.
        let locale = delivery
            .locale
            .as_ref()
            .filter(|_| !message.localized.is_empty());
        let fits = |kept: &Kept<T>| kept.id == delivery.live.id && kept.locale.as_ref() == locale;
        if !self.kept.get(self.last).is_some_and(fits) {
            self.last = match self.kept.iter().position(fits) {
                Some(found) => found,
                None => {
                    let texts = message.localized_for(locale.map(|locale| &**locale));
                    let rendering = render(texts.as_deref())?;
                    self.keep(Kept {
                        id: delivery.live.id,
                        locale: locale.cloned(),
                        rendering,
                    })
                }
            };
        }
        Ok(&self.kept[self.last].rendering)
    }

    fn keep(&mut self, kept: Kept<T>) -> usize {
        if self.kept.len() < KEPT {
            self.kept.push(kept);
            return self.kept.len() - 1;
        }
        let place = self.oldest;
        self.kept[place] = kept;
        self.oldest = (place + 1) % KEPT;
        place
    }
}

impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recent({} kept)", self.kept.len())
    }
}
