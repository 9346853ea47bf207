//! The words that events take beside those of `types`; each is a label value.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
    };
}

words!(
    /// What a registration did.
    Registration {
        Created = "created",
        Refreshed = "refreshed",
        /// The address belonged to another user before.
        Moved = "moved",
    }
);

words!(
    /// Why a device was marked or removed without its owner asking.
    Cleanup {
        /// The provider called its address dead.
        Dead = "dead",
        /// The provider would not have its address, and the credential is above suspicion.
        Suspect = "suspect",
        /// It failed `deactivate_after` times in a row.
        Failing = "failing",
        /// Not seen for `registry.stale_after`.
        Stale = "stale",
        /// Stale or invalid for `registry.retention`.
        Retention = "retention",
    }
);

words!(
    /// What came of reading the configuration again.
    Reload {
        /// Something is different now.
        Applied = "applied",
        /// All that is different waits for a restart.
        Deferred = "deferred",
        /// It says what was in force already.
        Unchanged = "unchanged",
        /// It has faults; what was in force still is.
        Refused = "refused",
    }
);
