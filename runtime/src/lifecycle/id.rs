//! The identifiers of rows.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// A new identifier: a UUIDv7, so that rows of one time stand together in an index. Its random part is of this thread's
/// generator, which asks the system seldom: `Uuid::now_v7` asks it each time.
pub fn new_id() -> Uuid {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Builder::from_unix_timestamp_millis(since.as_millis().try_into().unwrap_or(u64::MAX), &rand::random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_sort_by_time() {
        let ids: HashSet<Uuid> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        let first = new_id();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(first < new_id() && first.get_version_num() == 7);
    }
}
