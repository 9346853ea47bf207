//! APNs and FCM (with its OAuth endpoint) with scripted faults and exact books.
