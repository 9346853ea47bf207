//! Every decision of Fanfare, pure: events in, effects out.
