//! Connecting over TCP and TLS, and the ways it fails.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{Endpoint, connect, tls};

on_each_engine! {
    #[tokio::test]
    pushes_over_tls;
}

/// A server for `localhost` with these ALPN protocols, and a client that trusts it.
async fn server(alpn: &[&[u8]]) -> (TcpListener, TlsAcceptor, Endpoint, tls::Client) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        host: "localhost".to_owned(),
        port: listener.local_addr().unwrap().port(),
    };
    let client = tls::Client::new(Some(own.cert.pem().as_bytes()), None).unwrap();
    (
        listener,
        TlsAcceptor::from(Arc::new(config)),
        endpoint,
        client,
    )
}

async fn label(endpoint: &Endpoint, client: &tls::Client, config: &Config) -> &'static str {
    match connect(endpoint, client, config).await {
        Ok(_) => "ok",
        Err(error) => error.label(),
    }
}

/// Accepts connections and shakes hands until the test is over.
fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            kept.push(acceptor.accept(tcp).await);
        }
    });
}

async fn pushes_over_tls(config: Config) {
    let (listener, acceptor, endpoint, client) = server(&[b"h2"]).await;
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(tcp).await.unwrap();
        let mut connection = h2::server::handshake(tls).await.unwrap();
        let mut count = 0;
        while let Some(accepted) = connection.accept().await {
            let (_, mut respond) = accepted.unwrap();
            respond
                .send_response(http::Response::new(()), true)
                .unwrap();
            count += 1;
        }
        count
    });
    let (sender, driver) = connect(&endpoint, &client, &config).await.unwrap();
    let (told, events) = mpsc::channel(1000);
    let run = tokio::spawn(driver.run(move |event| told.try_send(event).unwrap()));
    let mut link = Link {
        sender: Some(sender),
        run,
        events,
        sent: Vec::new(),
        answers: Vec::new(),
        limits: Vec::new(),
        going_away: Vec::new(),
        calm: false,
        silent: Vec::new(),
    };
    link.send(0..300);
    link.answers(300).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert!((0..300).all(|key| ended.status(key) == 200));
    assert_eq!(served.await.unwrap(), 300);
}

#[tokio::test]
async fn an_unknown_ca_is_a_tls_error() {
    let (listener, acceptor, endpoint, _) = server(&[b"h2"]).await;
    accept(listener, acceptor);
    let (_, _, _, other) = server(&[b"h2"]).await;
    assert_eq!(label(&endpoint, &other, &Config::default()).await, "tls");
}

#[tokio::test]
async fn another_name_is_a_tls_error() {
    let (listener, acceptor, mut endpoint, client) = server(&[b"h2"]).await;
    accept(listener, acceptor);
    endpoint.host = "127.0.0.1".to_owned();
    assert_eq!(label(&endpoint, &client, &Config::default()).await, "tls");
}

#[tokio::test]
async fn a_server_without_h2_is_told_apart() {
    for alpn in [&[][..], &[b"http/1.1".as_slice()]] {
        let (listener, acceptor, endpoint, client) = server(alpn).await;
        accept(listener, acceptor);
        assert_eq!(
            label(&endpoint, &client, &Config::default()).await,
            "no_http2"
        );
    }
}

#[tokio::test]
async fn a_hanging_handshake_is_a_connect_timeout() {
    // Accepts TCP in the kernel, and says nothing.
    let (_listener, _, endpoint, client) = server(&[b"h2"]).await;
    let config = Config {
        connect_timeout: Duration::from_millis(100),
        ..Config::default()
    };
    assert_eq!(label(&endpoint, &client, &config).await, "connect_timeout");
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let (listener, _, endpoint, client) = server(&[b"h2"]).await;
    drop(listener);
    assert_eq!(
        label(&endpoint, &client, &Config::default()).await,
        "connect"
    );
}

#[tokio::test]
async fn names_that_do_not_resolve() {
    let (_, _, mut endpoint, client) = server(&[b"h2"]).await;
    for host in ["no-such-host.invalid", ""] {
        endpoint.host = host.to_owned();
        assert_eq!(
            label(&endpoint, &client, &Config::default()).await,
            "resolve"
        );
    }
}
