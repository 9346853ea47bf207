//! What was seen over all seeds: a fault that never occurs proves nothing.

macro_rules! seen {
    ($($name:ident = $words:literal),+ $(,)?) => {
        /// Something that must occur now and then.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Seen { $($name),+ }

        impl Seen {
            pub(crate) const ALL: &'static [Seen] = &[$(Seen::$name),+];

            pub(crate) fn words(self) -> &'static str {
                match self { $(Seen::$name => $words),+ }
            }
        }
    };
}

seen! {
    Accepted = "a notification accepted",
    RefusedGateway = "a send refused: the gateway is full",
    RefusedLane = "a send refused: the lane is full",
    RefusedApp = "a send refused: the app has its share",
    RefusedTooLarge = "a send refused: it never fits",
    WaitedForRoom = "a send that waited for room and got it",
    RefusedAfterWait = "a send refused after it waited for room",
    RefusedCrowded = "a send refused: too many wait for room",
    RoomAskedAgain = "a send with more recipients than it had taken room for",
    RefusedDraining = "a send refused: draining",
    NoRecipients = "a send to nobody",
    Scheduled = "a scheduled send",
    Fed = "a delivery fed from the journal",
    HalfFed = "a notification half fed for want of permits",
    EndedInJournal = "a notification that expired or was cancelled while it waited for room",
    CancelAcknowledged = "a cancel acknowledged while deliveries live",
    CancelledScheduled = "a cancel of what was never in memory",
    Created = "a row created",
    Refreshed = "a row refreshed",
    Moved = "a row moved to another user",
    Patched = "a row patched",
    Removed = "a row removed",
    Evicted = "a row evicted or stripped of its address by another's registration",
    Buried = "a dead row marked or removed",
    NotBuried = "a death that meant an older registration",
    Contended = "a change decided anew after a conflict",
    UserDied = "a user's actor died with a write under way",
    StaleAtPool = "a delivery found stale by its pool",
    StaleAtConnection = "a delivery found stale by its connection",
    RoutedAnew = "a delivery routed anew with another address",
    DeviceGone = "a delivery ended: its device is gone",
    RevocationFloor = "so many revocations that a floor stands for them",
    StoreFailed = "a write refused by the store",
    StoreUnknown = "a write of unknown outcome",
    StoreUnknownWritten = "a write of unknown outcome that was written",
    StoreReadFailed = "a read that failed",
    StoreFull = "a disk that is full for a while",
    StoreSlow = "a disk that is slow for a while",
    GroupCommit = "several writes in one commit",
    CrashBeforeCommit = "a write lost by a crash before its commit",
    CrashAfterCommit = "a write committed and never answered",
    Delivered = "an outcome: delivered",
    Rejected = "an outcome: rejected",
    Dead = "an outcome: dead",
    Expired = "an outcome: expired",
    Cancelled = "an outcome: cancelled",
    Failed = "an outcome: failed",
    GoawayAbove = "a push above the last id of a GOAWAY",
    GoawayBelow = "a push below the last id of a GOAWAY that is answered",
    Calm = "a provider that has had enough",
    SilenceTold = "a connection replaced for its silence",
    RefusedStream = "a refused stream",
    Reset = "a reset after the request was written",
    TimedOut = "a push without an answer in time",
    LateAnswer = "an answer after its time",
    Died = "a connection that dies with pushes under way",
    Silent = "a connection that goes silent",
    NotTaken = "a push that came too late to its connection",
    StreamsZero = "streams lowered to none",
    StreamsOne = "streams lowered to one",
    StreamsBack = "streams raised",
    DialFailed = "a connection that could not be opened",
    IdleClosed = "an idle connection closed",
    Storm = "a storm of server errors",
    Gone = "a provider that is gone",
    RetryAfterNone = "a 503 or 429 without Retry-After",
    RetryAfterGiven = "a 503 or 429 with Retry-After",
    RetryAfterAbsurd = "a 503 or 429 with an absurd Retry-After",
    ThrottleDevice = "a throttled device",
    ThrottleProject = "a throttled project",
    ThrottleConnection = "a throttled connection",
    ConfigRefused = "a refused credential",
    BreakerOpen = "an open breaker",
    Probe = "a probe",
    TokenExpired = "a provider token found expired",
    TokenRefused = "a token endpoint that refuses",
    TokenDown = "a token endpoint that is down",
    TokenSlow = "a token endpoint that does not answer in time",
    DeadDated = "a 410 with its time",
    DeadUndated = "a 410 without a time",
    DeadFuture = "a 410 of the future",
    DeadAncient = "a 410 of 1970",
    Suspect = "a suspect address",
    GuardTripped = "a guard that finds too many suspects",
    UnknownDropped = "a push without an answer given up by on_unknown drop",
    UnknownRetried = "a push without an answer sent again",
    Duplicate = "a push that the provider took twice",
    DispatcherDied = "the dispatcher died",
    PoolDied = "a pool died",
    ConnectionDied = "a connection's actor died",
    OutcomesDied = "outcomes died",
    FeederDied = "the feeder died",
    ReaperDied = "the reaper died",
    GaveUp = "an actor died too often",
    LostAlone = "a notification that nobody works on any more read again",
    LostAmongOthers = "deliveries read again whose notification others still work on",
    ClosedByFeeder = "a delivery whose outcome only the journal knew",
    Crashed = "a crash of the process",
    Drained = "a drain that ended by itself",
    DrainCut = "a drain cut off by its time",
    ClockForward = "a clock that jumps ahead",
    ClockBack = "a clock that jumps back",
    LaneContended = "bulk that goes while urgent waits, in its turn",
    UrgentFirst = "urgent that goes before waiting bulk",
    QuietApp = "a quiet app's push while others are in trouble",
    RateBound = "a pool held back by its rate",
}

/// How often each was seen.
#[derive(Clone, Debug)]
pub(crate) struct Coverage(Vec<u64>);

impl Coverage {
    pub(crate) fn new() -> Self {
        Coverage(vec![0; Seen::ALL.len()])
    }

    pub(crate) fn mark(&mut self, seen: Seen) {
        self.0[seen as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Coverage) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    pub(crate) fn count(&self, seen: Seen) -> u64 {
        self.0[seen as usize]
    }

    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let unseen = Seen::ALL.iter().filter(|seen| self.count(**seen) == 0);
        unseen.map(|seen| seen.words()).collect()
    }
}
