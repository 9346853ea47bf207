//! The last renderings of a connection: deliveries of one message, locale and kind share one.

use std::fmt;
use std::sync::Arc;

use fanfare_types::message::{Localized, Variables};
use fanfare_types::{Delivery, Message, MissingVariable, Options};

/// How many renderings of notifications are kept, so that the locales of one, or two that take turns on a
/// connection, do not push each other out. A rendering is at most a payload and its headers: about 6 KiB.
const NOTIFICATIONS: usize = 8;

/// How many of campaigns: a hundred at once take turns, or a few in many locales.
const CAMPAIGNS: usize = 128;

/// Renderings by message and device locale. Notifications come and go; they push no campaign's out. `Debug` shows no
/// content.
pub(crate) struct Recent<T> {
    notifications: Shelf<T>,
    campaigns: Shelf<T>,
}

/// The oldest is replaced first.
struct Shelf<T> {
    kept: Vec<Kept<T>>,
    kept_max: usize,
    /// Where the last one was found or put.
    last: usize,
    /// Which one is replaced next.
    oldest: usize,
}

/// Message and variables are known by where they are, and held, so that nothing else comes to be there.
struct Kept<T> {
    message: Arc<Message>,
    variables: Arc<Variables>,
    locale: Option<Arc<str>>,
    options: Options,
    missing: Option<MissingVariable>,
    /// A form, which recipients fill with their own variables.
    is_form: bool,
    rendering: T,
}

impl<T> Recent<T> {
    pub(crate) fn new() -> Self {
        Recent {
            notifications: Shelf::new(NOTIFICATIONS),
            campaigns: Shelf::new(CAMPAIGNS),
        }
    }

    /// The rendering for this delivery, made by `render` if it is not at hand. Failures are not kept.
    pub(crate) fn get<E>(
        &mut self,
        delivery: &Delivery,
        render: impl FnOnce(Option<&Localized>) -> Result<T, E>,
    ) -> Result<&mut T, E> {
        match delivery.live.run {
            Some(_) => self.campaigns.get(delivery, render),
            None => self.notifications.get(delivery, render),
        }
    }
}

impl<T> Shelf<T> {
    fn new(kept_max: usize) -> Self {
        Shelf {
            kept: Vec::new(),
            kept_max,
            last: 0,
            oldest: 0,
        }
    }

    fn get<E>(
        &mut self,
        delivery: &Delivery,
        render: impl FnOnce(Option<&Localized>) -> Result<T, E>,
    ) -> Result<&mut T, E> {
        let message = &delivery.live.message;
        // Without localized texts, all locales look the same.
        let locale = delivery
            .locale
            .as_ref()
            .filter(|_| !message.localized.is_empty());
        let fits = |kept: &Kept<T>| kept.fits(delivery, locale);
        if !self.kept.get(self.last).is_some_and(fits) {
            self.last = match self.kept.iter().position(fits) {
                Some(found) => found,
                None => {
                    let texts = message.localized_for(locale.map(|locale| &**locale));
                    let rendering = render(texts.as_deref())?;
                    self.keep(Kept::of(delivery, locale, rendering))
                }
            };
        }
        Ok(&mut self.kept[self.last].rendering)
    }

    fn keep(&mut self, kept: Kept<T>) -> usize {
        if self.kept.len() < self.kept_max {
            self.kept.push(kept);
            return self.kept.len() - 1;
        }
        let place = self.oldest;
        self.kept[place] = kept;
        self.oldest = (place + 1) % self.kept_max;
        place
    }
}

impl<T> Kept<T> {
    fn of(delivery: &Delivery, locale: Option<&Arc<str>>, rendering: T) -> Self {
        let live = &delivery.live;
        Kept {
            message: live.message.clone(),
            variables: live.variables.clone(),
            locale: locale.cloned(),
            options: live.options.clone(),
            missing: live.run.as_ref().map(|run| run.missing_variable),
            is_form: delivery.variables.is_some(),
            rendering,
        }
    }

    fn fits(&self, delivery: &Delivery, locale: Option<&Arc<str>>) -> bool {
        let live = &delivery.live;
        Arc::ptr_eq(&self.message, &live.message)
            && self.is_form == delivery.variables.is_some()
            && Arc::ptr_eq(&self.variables, &live.variables)
            && self.locale.as_ref() == locale
            && self.options == live.options
            && self.missing == live.run.as_ref().map(|run| run.missing_variable)
    }
}

impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.notifications.kept.len() + self.campaigns.kept.len();
        write!(f, "Recent({kept} kept)")
    }
}
