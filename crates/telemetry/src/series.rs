//! Series on top of prometheus-client: families by the metric's own label names, and a histogram that is counted
//! without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::metrics::{Kind, Metric};

type Labels = Vec<(&'static str, String)>;

/// One metric with its series by label values.
#[derive(Clone, Debug)]
pub(crate) struct Table<M> {
    labels: &'static [&'static str],
    family: Family<Labels, M>,
}

impl<M> Table<M>
where
    M: EncodeMetric + TypedMetric + Default + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    pub(crate) fn new(registry: &mut Registry, metric: Metric) -> Self {
        let family = Family::default();
        register(registry, metric, family.clone());
        Table {
            labels: metric.labels,
            family,
        }
    }

    /// The series with these label values, in the order of the metric's labels.
    pub(crate) fn with(&self, values: &[&str]) -> M {
        debug_assert_eq!(values.len(), self.labels.len(), "{:?}", self.labels);
        let owned = values.iter().map(|value| (*value).to_owned());
        let labels = self.labels.iter().copied().zip(owned).collect();
        self.family.get_or_create_owned(&labels)
    }
}

/// A metric without labels.
pub(crate) fn single<M>(registry: &mut Registry, metric: Metric) -> M
where
    M: EncodeMetric + Default + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    let series = M::default();
    register(registry, metric, series.clone());
    series
}

pub(crate) fn register<M>(registry: &mut Registry, metric: Metric, series: M)
where
    M: EncodeMetric + std::fmt::Debug + Send + Sync + 'static,
{
    // The encoder writes these suffixes itself.
    let suffix = match metric.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Histogram => "",
    };
    let name = metric.name.strip_suffix(suffix).unwrap_or(metric.name);
    registry.register(name, metric.help, series);
}

pub(crate) type Counters = Table<Counter>;
pub(crate) type Gauges = Table<Gauge>;
pub(crate) type Histograms = Table<Histogram>;

/// Upper bounds of the buckets, in microseconds: 0.5 ms to 60 s.
const BOUNDS: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];
const MICROS: f64 = 1e6;

/// A distribution of times. Observing is two atomic additions (the library's own takes a lock).
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// The same time so many times.
    pub(crate) fn observe(&self, time: Duration, count: u64) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.0.counts[bucket].fetch_add(count, Ordering::Relaxed);
        let sum = micros.wrapping_mul(count);
        self.0.sum_micros.fetch_add(sum, Ordering::Relaxed);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    #[allow(clippy::cast_precision_loss, reason = "seconds for people")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bound = |index: usize| {
            BOUNDS
                .get(index)
                .map_or(f64::INFINITY, |micros| *micros as f64 / MICROS)
        };
        let counts = self.0.counts.iter().enumerate();
        let buckets: Vec<_> = counts
            .map(|(index, count)| (bound(index), count.load(Ordering::Relaxed)))
            .collect();
        let sum = self.0.sum_micros.load(Ordering::Relaxed) as f64 / MICROS;
        // Counted from the buckets, so that one scrape never contradicts itself.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
