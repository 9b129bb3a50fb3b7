// The metrics of a daemon as text. prom-client is loaded with the first question: it takes 2 MB and 18 ms, which a daemon
// that nobody asks should not pay.
import type { DaemonView } from '../view/node-view.ts';
import { FAMILIES } from './metrics.ts';
import { lookAt, type Family } from './metric.ts';

export interface Exposition {
  readonly text: string;
  readonly contentType: string;
}

/** Answers in the text format of Prometheus, version 0.0.4. */
export async function expose(daemon: DaemonView): Promise<Exposition> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const look = await lookAt(daemon);
  const registry = new Registry();
  for (const family of FAMILIES) {
    const samples = family.read(look);
    if (samples.length > 0) add(family, samples);
  }
  return { text: await registry.metrics(), contentType: registry.contentType };

  function add({ name, type, help, labels = [] }: Family, samples: ReturnType<Family['read']>): void {
    const options = { name, help, labelNames: labels, registers: [registry] };
    if (type === 'counter') {
      const counter = new Counter(options);
      for (const { labels: values = {}, value } of samples) counter.inc(values, value);
    } else {
      const gauge = new Gauge(options);
      for (const { labels: values = {}, value } of samples) gauge.set(values, value);
    }
  }
}
