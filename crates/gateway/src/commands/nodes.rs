//! `fanfare nodes`: the gateways on one store, as the database has them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use fanfare_store::fleet::{Census, Node};
use fanfare_store::scylla::Scylla;
use fanfare_store::{Fleet, Store};
use fanfare_types::{NodeId, Slot};
use serde_json::{Value, json};

use super::cluster::Place;
use crate::storage;

/// Say which gateways share the store, and which of its slots each works on.
///
/// Asks the database, not a gateway, so it works when none answers. A node whose beat stands still is `silent`: it is
/// dead, frozen or cut off, and the others take over what it holds when its lease has run out. Ends with status 0 when
/// every slot is held by a node that is alive, 1 when not, or when the database cannot be reached.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// How long beats are watched before a node is called silent; by default `fleet.lease`.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    watch: Option<Duration>,
    /// Print one JSON object: {"nodes": [{"id", "name", "state", "beat", "slots"}], "unheld"}.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let settings = args.place.settings()?;
    super::runtime()?.block_on(async {
        let config = storage::scylla_config(&settings);
        let store = Scylla::open(&config).await;
        let store = store.context("cannot open the store")?;
        let fleet: &dyn Fleet = &*store;
        let before = fleet.census().await.context("cannot read who is there")?;
        let now = watched(fleet, &before, args.watch.unwrap_or(settings.fleet.lease)).await?;
        store.close().await?;
        let report = Report::of(&before, &now);
        match args.json {
            true => println!("{}", report.json()),
            false => report.print(),
        }
        report.verdict()
    })
}

/// Looks again and again until every beat has moved on, or the time is up.
async fn watched(fleet: &dyn Fleet, before: &Census, watch: Duration) -> anyhow::Result<Census> {
    const PAUSE: Duration = Duration::from_millis(200);
    let until = tokio::time::Instant::now() + watch;
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = fleet.census().await.context("cannot read who is there")?;
        let all = now.nodes.iter().all(|node| is_alive(before, node));
        if all || tokio::time::Instant::now() >= until {
            return Ok(now);
        }
    }
}

/// It has beaten since, or has joined since.
fn is_alive(before: &Census, node: &Node) -> bool {
    let seen = before.nodes.iter().find(|seen| seen.id == node.id);
    seen.is_none_or(|seen| seen.beat != node.beat)
}

struct Row {
    node: Node,
    state: &'static str,
    slots: Vec<Slot>,
}

struct Report {
    rows: Vec<Row>,
    unheld: Vec<Slot>,
}

impl Report {
    fn of(before: &Census, now: &Census) -> Report {
        let mut held: BTreeMap<Option<NodeId>, Vec<Slot>> = BTreeMap::new();
        for lease in &now.slots {
            let holder = lease.holder;
            let holder = holder.filter(|holder| now.nodes.iter().any(|node| node.id == *holder));
            held.entry(holder).or_default().push(lease.slot);
        }
        let mut row = |node: &Node| Row {
            slots: held.remove(&Some(node.id)).unwrap_or_default(),
            state: match (is_alive(before, node), node.is_draining) {
                (false, _) => "silent",
                (true, true) => "draining",
                (true, false) => "alive",
            },
            node: node.clone(),
        };
        let mut rows: Vec<Row> = now.nodes.iter().map(&mut row).collect();
        rows.sort_by(|a, b| (&a.node.name, a.node.id).cmp(&(&b.node.name, b.node.id)));
        let unheld = held.remove(&None).unwrap_or_default();
        Report { rows, unheld }
    }

    fn json(&self) -> Value {
        let numbers = |slots: &[Slot]| slots.iter().map(|slot| slot.number()).collect::<Vec<_>>();
        let row = |row: &Row| {
            json!({
                "id": row.node.id.to_string(),
                "name": row.node.name,
                "state": row.state,
                "beat": row.node.beat,
                "slots": numbers(&row.slots),
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "nodes": rows, "unheld": numbers(&self.unheld) })
    }

    fn print(&self) {
        let name = |row: &Row| row.node.name.chars().count();
        let width = self.rows.iter().map(name).max().unwrap_or(0).max(4);
        println!("{:24}  {:width$}  {:8}  SLOTS", "NODE", "NAME", "STATE");
        for row in &self.rows {
            let slots = match row.slots.len() {
                0 => "none".to_owned(),
                held => format!("{held}: {}", ranges(&row.slots)),
            };
            let (id, name, state) = (row.node.id.to_string(), &row.node.name, row.state);
            println!("{id:24}  {name:width$}  {state:8}  {slots}");
        }
        if !self.unheld.is_empty() {
            println!("held by nobody: {}", ranges(&self.unheld));
        }
    }

    fn verdict(&self) -> anyhow::Result<()> {
        let silent = self.rows.iter().filter(|row| row.state == "silent").count();
        let words = match (silent, self.unheld.len()) {
            (0, 0) => return Ok(()),
            _ if self.rows.is_empty() => "no gateway serves this store".to_owned(),
            (0, unheld) => format!("{unheld} slots are held by nobody"),
            (silent, unheld) => format!("{silent} silent, {unheld} slots held by nobody"),
        };
        bail!(words)
    }
}

/// `0-3, 7, 9-10`.
fn ranges(slots: &[Slot]) -> String {
    let mut parts: Vec<(u8, u8)> = Vec::new();
    for slot in slots.iter().map(|slot| slot.number()) {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => parts.push((slot, slot)),
        }
    }
    let part = |(first, last): (u8, u8)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let parts: Vec<String> = parts.into_iter().map(part).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_store::fleet::Lease;
    use fanfare_types::Epoch;
    use fanfare_types::ids::Id96;

    fn node(n: u8, beat: u64) -> Node {
        Node {
            id: NodeId(Id96([n; 12])),
            name: format!("gw-{n}"),
            beat,
            is_draining: n == 3,
            inbox: 0,
            doing: String::new(),
        }
    }

    fn census(nodes: Vec<Node>) -> Census {
        let lease = |slot: Slot| Lease {
            slot,
            epoch: Epoch(1),
            holder: match slot.number() {
                0..=9 => Some(node(1, 0).id),
                10..=19 => Some(node(2, 0).id),
                // Of a node that is in no census any more.
                20..=21 => Some(node(9, 0).id),
                _ => None,
            },
        };
        let slots = Slot::all().map(lease).collect();
        Census { nodes, slots }
    }

    #[test]
    fn a_beat_that_stands_still_is_silence() {
        let before = census(vec![node(1, 5), node(2, 5), node(3, 1)]);
        let now = census(vec![node(1, 6), node(2, 5), node(3, 2), node(4, 0)]);
        let report = Report::of(&before, &now);
        let states: Vec<_> = report.rows.iter().map(|row| row.state).collect();
        assert_eq!(states, ["alive", "silent", "draining", "alive"]);
        assert_eq!(
            report.json()["nodes"][1]["slots"],
            json!([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
        );
        assert_eq!(report.unheld.len(), 44);
        assert_eq!(
            report.verdict().unwrap_err().to_string(),
            "1 silent, 44 slots held by nobody"
        );
    }

    #[test]
    fn nobody_is_there() {
        let report = Report::of(&census(Vec::new()), &census(Vec::new()));
        assert_eq!(
            report.verdict().unwrap_err().to_string(),
            "no gateway serves this store"
        );
    }

    #[test]
    fn slots_are_told_in_ranges() {
        let slots = |numbers: &[u8]| -> Vec<Slot> {
            numbers.iter().filter_map(|n| Slot::new(*n)).collect()
        };
        assert_eq!(ranges(&slots(&[0, 1, 2, 7, 9, 10])), "0-2, 7, 9-10");
        assert_eq!(ranges(&[]), "");
    }
}
