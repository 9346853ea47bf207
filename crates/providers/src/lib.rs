//! What Fanfare knows about APNs and FCM, without I/O.
