//! Names: one look-up at a time for each, however often it is asked for.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Resolver;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A resolver that answers a name for each permit, and how often it was asked. Names that begin with `no` are none.
fn scripted() -> (Resolver, Arc<Semaphore>, Arc<AtomicUsize>) {
    let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (answer, count) = (permits.clone(), asked.clone());
    let resolver = Resolver::new(move |host| {
        count.fetch_add(1, SeqCst);
        let answer = answer.clone();
        Box::pin(async move {
            if host.starts_with("quick") {
                return Ok(vec![HOME]);
            }
            answer.acquire().await.unwrap().forget();
            match host.starts_with("no") {
                true => Err(io::ErrorKind::NotFound.into()),
                false => Ok(vec![HOME]),
            }
        })
    });
    (resolver, permits, asked)
}

#[tokio::test(start_paused = true)]
async fn a_name_that_hangs_is_looked_up_once_and_holds_no_other_up() {
    let (resolver, permits, asked) = scripted();
    for _ in 0..100 {
        let patience = Duration::from_secs(10);
        assert!(timeout(patience, resolver.resolve("slow")).await.is_err());
    }
    assert_eq!(asked.load(SeqCst), 1);
    assert_eq!(resolver.resolve("quick").await.unwrap(), [HOME]);
    // All who wait have the one answer, and the next one asks anew.
    let both = async { tokio::join!(resolver.resolve("slow"), resolver.resolve("slow")) };
    let answer = async { permits.add_permits(1) };
    let ((first, second), ()) = tokio::join!(both, answer);
    assert_eq!((first.unwrap(), second.unwrap()), (vec![HOME], vec![HOME]));
    permits.add_permits(1);
    resolver.resolve("slow").await.unwrap();
    assert_eq!(asked.load(SeqCst), 3);
}

#[tokio::test]
async fn errors_and_addresses() {
    let (resolver, permits, asked) = scripted();
    permits.add_permits(1);
    let error = resolver.resolve("no").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(resolver.resolve("127.0.0.1").await.unwrap(), [HOME]);
    assert_eq!(asked.load(SeqCst), 1, "an address is no name");
}

/// A look-up lives on the runtime of who asked first; when that ends, the next one begins anew.
#[test]
fn a_look_up_that_went_with_its_runtime_is_none() {
    let (resolver, permits, asked) = scripted();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let first = runtime();
    first.block_on(async {
        let asking = resolver.resolve("slow");
        assert!(timeout(Duration::from_millis(1), asking).await.is_err());
    });
    drop(first);
    permits.add_permits(1);
    let found = runtime().block_on(resolver.resolve("slow"));
    assert_eq!(found.unwrap(), [HOME]);
    assert_eq!(asked.load(SeqCst), 2);
}
