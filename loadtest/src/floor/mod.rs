//! `fanfare-loadtest floor`: what a request to a provider costs a client that does nothing else.

mod h2load;
pub(crate) mod own;

use anyhow::Context;
use fanfare_providers::apns::Signer;
use fanfare_providers::fcm::{ServiceAccount, read_token};
use fanfare_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::fleet::Spec;
use crate::provider::{Listed, Providers};
use crate::report::{Figure, Report, Row};
use crate::setup::{Bench, Provider};
use crate::watch::{Watch, Watched};

/// Connections, and streams of each.
const CONNECTIONS: usize = 4;
const STREAMS: usize = 100;

/// A fixed request, again and again, over four connections with a hundred streams each, to the simulator that the other
/// commands use: by `h2load` (nghttp2) where it is installed, and with `--own` by a bare client of the `h2` library in a
/// process of its own. The report says how many a second, and the client's CPU a request.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bare client of the `h2` library, too. It runs in any case where there is no `h2load`.
    #[arg(long)]
    own: bool,
    #[arg(long, default_value_t = 400_000)]
    requests: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// What a client spent.
pub(crate) struct Floor {
    pub(crate) name: &'static str,
    /// That were answered 200.
    pub(crate) requests: u64,
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let directory = tempfile::tempdir().context("making a directory")?;
    let spec = bench.setup.spec(0);
    let providers = Providers::start(bench, directory.path(), "floor", Listed(1), &spec).await?;
    let watched = Watched {
        name: "simulators".to_owned(),
        process: providers.process.id()?,
    };
    let controls = vec![providers.control.clone()];
    let watch = Watch::start(vec![watched], controls, bench.progress.clone());
    let mut report = Report::new(format!(
        "{} fixed requests of {} bytes",
        args.requests, bench.setup.payload
    ));
    let has_h2load = h2load::is_there();
    for number in 1..=args.rounds {
        bench.progress.phase(format!("round {number}"));
        if has_h2load {
            row(bench, &providers, args, true, &mut report).await?;
        }
        if args.own || !has_h2load {
            row(bench, &providers, args, false, &mut report).await?;
        }
    }
    let (series, rows) = watch.stop();
    report.series.extend(series);
    report.rows.extend(rows);
    providers.stop().await?;
    Ok(report)
}

async fn row(
    bench: &Bench,
    providers: &Providers,
    args: &Args,
    by_h2load: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let control = &providers.control;
    let (accepted, cpu) = (control.accepted().await?, providers.cpu()?);
    let request = Request::to(bench, providers).await?;
    let floor = match by_h2load {
        true => h2load::run(&request, args.requests).await?,
        false => own::run(&request, args.requests).await?,
    };
    let accepted = control.accepted().await? - accepted;
    if accepted != floor.requests {
        report.faults.push(format!(
            "{} requests were answered 200, the provider accepted {accepted}",
            floor.requests
        ));
    }
    let simulator = (providers.cpu()? - cpu).as_secs_f64() * 1e6 / args.requests as f64;
    report.rows.push(Row::new(
        floor.name,
        vec![
            Figure::new("pushes/s", floor.per_second),
            Figure::new("CPU us a push", floor.cpu_us),
            Figure::new("simulator us", simulator),
        ],
    ));
    Ok(())
}

/// By the best client that is there.
pub(crate) async fn any(
    bench: &Bench,
    providers: &Providers,
    requests: u64,
) -> anyhow::Result<Floor> {
    let request = Request::to(bench, providers).await?;
    match h2load::is_there() {
        true => h2load::run(&request, requests).await,
        false => own::run(&request, requests).await,
    }
}

/// A request that the simulator accepts any number of times.
#[derive(Serialize, Deserialize)]
struct Request {
    url: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: String,
    /// PEM of the authority of the simulator's certificate.
    authority: String,
}

impl Request {
    /// To APNs, or to FCM when the devices are only there.
    async fn to(bench: &Bench, providers: &Providers) -> anyhow::Result<Self> {
        match bench.setup.provider {
            Provider::Apns | Provider::Both => Request::apns(bench, providers),
            Provider::Fcm => Request::fcm(bench, providers).await,
        }
    }

    fn apns(bench: &Bench, providers: &Providers) -> anyhow::Result<Self> {
        let material = &providers.material;
        let key = &material.apns_key;
        let signer = Signer::new(key.p8.as_bytes(), &key.key_id, &key.team_id)?;
        let token = signer.sign(now()?)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let address = Spec::new(1, 1.0).address(0);
        Ok(Request {
            url: format!("{}/3/device/{address}", providers.at.apns_url()),
            headers: vec![
                header("authorization", token.expose().to_str().context("a token")?),
                header("apns-topic", &material.topic),
                header("apns-push-type", "alert"),
            ],
            body: bench.setup.payload(),
            authority: material.ca_pem.clone(),
        })
    }

    async fn fcm(bench: &Bench, providers: &Providers) -> anyhow::Result<Self> {
        let material = &providers.material;
        let file = std::fs::read(providers.directory.join("service-account.json"))?;
        let account = ServiceAccount::parse(&file)?;
        let asked = account.token_request(now()?)?;
        let authority = reqwest::Certificate::from_pem(material.ca_pem.as_bytes())?;
        let client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .build()?;
        let answer = client
            .post(&asked.uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(asked.form.expose().clone())
            .send()
            .await
            .context("asking for an access token")?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        let (token, _) = read_token(status, &body)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let message = json!({ "message": {
            "token": Spec::new(1, 0.0).address(0), "notification": bench.setup.message(),
        } });
        Ok(Request {
            url: format!(
                "{}/v1/projects/{}/messages:send",
                providers.at.fcm_url(),
                account.project_id()
            ),
            headers: vec![
                header("authorization", token.expose().to_str().context("a token")?),
                header("content-type", "application/json"),
            ],
            body: message.to_string(),
            authority: material.ca_pem.clone(),
        })
    }
}

fn now() -> anyhow::Result<Timestamp> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(Timestamp(u64::try_from(now.as_millis())?))
}
