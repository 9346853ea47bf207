//! Which server it is, as far as the schema depends on it.

use super::super::session::Db;

pub(super) enum Server {
    Cassandra,
    /// With what it says it can do.
    Scylla {
        features: String,
    },
}

impl Server {
    pub(super) async fn of(db: &Db) -> Self {
        // Cassandra knows no such column.
        let features = "SELECT supported_features FROM system.local";
        let found = db.session().query_unpaged(features, ()).await;
        let Some(rows) = found.ok().and_then(|found| found.into_rows_result().ok()) else {
            return Server::Cassandra;
        };
        let row = rows.maybe_first_row::<(Option<String>,)>().ok().flatten();
        let features = row.and_then(|(features,)| features).unwrap_or_default();
        Server::Scylla { features }
    }

    /// A keyspace with tablets takes no compare-and-set before ScyllaDB 2025.4; there it is made without.
    pub(super) fn keyspace_options(&self) -> &'static str {
        match self {
            Server::Scylla { features } => {
                let can = |feature| features.split(',').any(|known| known.trim() == feature);
                match can("TABLETS") && !can("LWT_WITH_TABLETS") {
                    true => " AND tablets = {'enabled': false}",
                    false => "",
                }
            }
            Server::Cassandra => "",
        }
    }

    /// Makes the table whose rows say whose turn it is. Of two nodes of Cassandra that make one at the same time,
    /// each would give it an id of its own, so it is told the id; ScyllaDB makes all its tables one after the other.
    pub(super) fn versions(&self, create: &str, keyspace: &str) -> String {
        match self {
            Server::Scylla { .. } => create.to_owned(),
            Server::Cassandra => format!("{create} WITH id = {}", table_id(keyspace)),
        }
    }
}

/// The same for one keyspace everywhere, and another for another: FNV-1a, as a UUID of version 8.
fn table_id(keyspace: &str) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mix = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    let hash = keyspace.as_bytes().iter().fold(OFFSET, mix);
    let id = hash & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{id:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(features: &str) -> &'static str {
        let features = features.to_owned();
        Server::Scylla { features }.keyspace_options()
    }

    #[test]
    fn tablets_are_off_where_compare_and_set_does_not_know_them() {
        assert_eq!(
            options("CDC,TABLETS,UDA"),
            " AND tablets = {'enabled': false}"
        );
        assert_eq!(options("TABLETS,LWT_WITH_TABLETS"), "");
        assert_eq!(options("CDC"), "");
        assert_eq!(Server::Cassandra.keyspace_options(), "");
    }

    #[test]
    fn each_keyspace_has_its_id() {
        let id = table_id("fanfare");
        assert_eq!((id.len(), &id[14..15], &id[19..20]), (36, "8", "a"), "{id}");
        assert_ne!(id, table_id("fanfare2"));
        assert_eq!(id, table_id("fanfare"));
    }
}
