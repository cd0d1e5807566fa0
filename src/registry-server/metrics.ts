import type { AnsweredRequest } from './request-log.ts';

/** Upper bounds of the classes of the duration histogram, in seconds. */
const BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

/** A number that is asked for when the metrics are read. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly read: () => number;
}

/** Counts what the registry does and writes it as Prometheus text (exposition format 0.0.4). */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, { classes: number[]; sum: number; count: number }>();
  readonly #counters = new Map<string, { help: string; value: number }>();
  readonly #gauges: Gauge[] = [];

  gauge(gauge: Gauge): void {
    this.#gauges.push(gauge);
  }

  /** Adds to a counter, `tare_registry_NAME_total`. */
  count(name: string, help: string, by = 1): void {
    const counter = this.#counters.get(name) ?? { help, value: 0 };
    counter.value += by;
    this.#counters.set(name, counter);
  }

  /** `bytes`: of the answer's body. */
  observe({ request, response, endpoint }: AnsweredRequest, seconds: number, bytes: number): void {
    const method = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(request.method)
      ? request.method
      : 'other';
    const labels = `method="${method}",endpoint="${endpoint}",code="${response.status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
    this.count('sent_bytes', 'Bytes of bodies sent, by their Content-Length.', bytes);
    const received = Number(request.headers.get('content-length') ?? 0);
    if (Number.isFinite(received))
      this.count('received_bytes', 'Bytes of bodies received, by their Content-Length.', received);
    const duration = this.#durations.get(endpoint) ?? { classes: BOUNDS.map(() => 0), sum: 0, count: 0 };
    duration.sum += seconds;
    duration.count++;
    for (const [i, bound] of BOUNDS.entries()) if (seconds <= bound) duration.classes[i]!++;
    this.#durations.set(endpoint, duration);
  }

  text(): string {
    const lines: string[] = [];
    const family = (name: string, type: string, help: string) =>
      lines.push(`# HELP tare_registry_${name} ${help}`, `# TYPE tare_registry_${name} ${type}`);
    family('requests_total', 'counter', 'Requests answered.');
    for (const [labels, value] of this.#requests)
      lines.push(`tare_registry_requests_total{${labels}} ${value}`);
    family('request_duration_seconds', 'histogram', 'Until the answer began, uploads included.');
    for (const [endpoint, { classes, sum, count }] of this.#durations) {
      const name = 'tare_registry_request_duration_seconds';
      for (const [i, bound] of BOUNDS.entries()) {
        lines.push(`${name}_bucket{endpoint="${endpoint}",le="${bound}"} ${classes[i]}`);
      }
      lines.push(`${name}_bucket{endpoint="${endpoint}",le="+Inf"} ${count}`);
      lines.push(
        `${name}_sum{endpoint="${endpoint}"} ${sum}`,
        `${name}_count{endpoint="${endpoint}"} ${count}`,
      );
    }
    for (const [name, { help, value }] of this.#counters) {
      family(`${name}_total`, 'counter', help);
      lines.push(`tare_registry_${name}_total ${value}`);
    }
    for (const { name, help, read } of this.#gauges) {
      family(name, 'gauge', help);
      lines.push(`tare_registry_${name} ${read()}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
