//! Both engines against servers that nobody here wrote: nghttpd, and Node's http2, Go's net/http and Netty with a small
//! program each. They run over TLS on this machine; one that is not installed fails its test (`scripts/test` installs
//! them where it can).
//!
//! The programs listen on two ports: a plain one, and one with small SETTINGS (ten streams, a window of 1 KiB, as little
//! of a header table as can be asked for), padding where the server knows it. An answer repeats what its request said, by
//! the first part of the path:
//!
//! | path | answer |
//! |---|---|
//! | `/echo/…` | 200; a line of the path and the headers that were seen, then the request's body |
//! | `/early/…` | the same, after a 103 |
//! | `/trailers/…` | the same, with trailers behind it |
//! | `/missing/…` | 404 with JSON |
//! | `/goaway/…` | as `/echo/…`, and the server takes no more requests on this connection |

mod client;
mod requests;
mod server;

use fanfare_link::Engine;

use client::Client;
use requests::{Mix, Plan};
use server::{Server, go, netty, nghttpd, node};

const ENGINES: [Engine; 2] = [Engine::H2, Engine::Lean];

/// Requests of a run.
const REQUESTS: u32 = 2_000;

/// … against small SETTINGS, where each body takes many turns.
const FEW: u32 = 400;

/// Every kind of answer, a GOAWAY in the middle of it, and small SETTINGS.
async fn all_of_it(server: &Server) {
    for engine in ENGINES {
        let client = Client::new(server, engine);
        let all = Plan::new(REQUESTS, Mix::Everything);
        client.answered_at_once(server.plain, all).await;
        let drained = Plan::new(REQUESTS, Mix::GoAway);
        client.answered_in_the_end(server.plain, drained).await;
        let few = Plan::new(FEW, Mix::Everything);
        client.answered_at_once(server.small, few).await;
    }
}

#[tokio::test]
async fn nodes_http2() {
    all_of_it(&node().await).await;
}

#[tokio::test]
async fn gos_net_http() {
    all_of_it(&go().await).await;
}

#[tokio::test]
async fn netty_codec_http2() {
    all_of_it(&netty().await).await;
}

/// It repeats bodies and adds trailers, or it serves files; there is no program to say more.
#[tokio::test]
async fn nghttpds_own_answers() {
    const ECHO: &[&str] = &["--echo-upload", "--trailer=x-sum: 1"];
    const SMALL: &[&str] = &["--echo-upload", "-m10", "-w10", "-c0", "--padding=200"];
    let (echo, small, files) = tokio::join!(nghttpd(ECHO), nghttpd(SMALL), nghttpd(&[]));
    for engine in ENGINES {
        let plan = Plan::new(REQUESTS, Mix::BodiesOnly);
        Client::new(&echo, engine)
            .answered_at_once(echo.plain, plan)
            .await;
        let plan = Plan::new(FEW, Mix::BodiesOnly);
        Client::new(&small, engine)
            .answered_at_once(small.plain, plan)
            .await;
        let plan = Plan::new(FEW, Mix::NoSuchFile);
        Client::new(&files, engine)
            .answered_at_once(files.plain, plan)
            .await;
    }
}
