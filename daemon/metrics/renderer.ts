// Renders the metrics of a node as text. prom-client is loaded at the first scrape: it takes 2 MB
// and 18 ms, which a daemon without a scraper does not spend.
import type { DeviceCountersV1 } from '../../api/index.ts';
import { readDeviceCounters } from '../view/device-counters.ts';
import type { NodeView } from '../view/node-view.ts';
import { statusOf } from '../view/status.ts';
import { HISTOGRAMS, type HistogramMetric } from './histogram-metrics.ts';
import { METRICS } from './metrics.ts';
import type { Metric, ScrapeContext } from './metric.ts';

export interface MetricsText {
  readonly text: string;
  readonly contentType: string;
}

/** Collects and renders all metrics in Prometheus' text format, version 0.0.4. */
export type MetricsRenderer = () => Promise<MetricsText>;

export function createMetricsRenderer(
  daemon: NodeView,
  socketDrops?: ScrapeContext['socketDrops'],
): MetricsRenderer {
  return async () => render(await collect(daemon, socketDrops));
}

async function collect(daemon: NodeView, socketDrops: ScrapeContext['socketDrops']): Promise<ScrapeContext> {
  // Without /proc the device counters are missing; the other metrics remain.
  const devices = await readDeviceCounters(daemon.packetPath).catch(
    () => new Map<string, DeviceCountersV1>(),
  );
  return { daemon, status: statusOf(daemon), devices, socketDrops, nowMs: daemon.clock.nowMs() };
}

async function render(context: ScrapeContext): Promise<MetricsText> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  for (const metric of METRICS) {
    const samples = metric.read(context);
    if (samples.length > 0) add(metric, samples);
  }
  for (const metric of HISTOGRAMS) addHistogram(metric);
  return { text: await registry.metrics(), contentType: registry.contentType };

  function add({ name, type, help, labels = [] }: Metric, samples: ReturnType<Metric['read']>): void {
    const options = { name, help, labelNames: labels, registers: [registry] };
    if (type === 'counter') {
      const counter = new Counter(options);
      for (const { labels: values = {}, value } of samples) counter.inc(values, value);
    } else {
      const gauge = new Gauge(options);
      for (const { labels: values = {}, value } of samples) gauge.set(values, value);
    }
  }

  /** prom-client's own histogram takes single values; the daemon's parts have counted them. */
  function addHistogram({ name, help, read }: HistogramMetric): void {
    const snapshot = read(context);
    if (snapshot === undefined) return;
    const { bounds, cumulative, sum } = snapshot;
    const values = [
      ...cumulative.map((value, index) => ({
        metricName: `${name}_bucket`,
        labels: { le: bounds[index] ?? '+Inf' },
        value,
      })),
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: cumulative.at(-1)! },
    ];
    const get = () => ({ name, help, type: 'histogram', values, aggregator: 'sum' });
    registry.registerMetric({ name, get } as unknown as Parameters<typeof registry.registerMetric>[0]);
  }
}
