import { shortDigest } from '../oci/digest.ts';
import type { FetchEvent } from './registry-client.ts';

/** Docker's clients redraw at most this often, in milliseconds. */
const INTERVAL_MS = 100;

/** The lines of one layer, in Docker's words. */
export class LayerProgress {
  readonly #id: string;
  readonly #total: number;
  readonly #report: (event: FetchEvent) => void;
  #lastAt = 0;

  constructor(digest: string, total: number, report: (event: FetchEvent) => void) {
    this.#id = shortDigest(digest);
    this.#total = total;
    this.#report = report;
  }

  status(status: LayerStatus): void {
    this.#report({ id: this.#id, status });
  }

  /** Bytes so far; dropped when the last report was a moment ago, except at the end. */
  downloading(current: number): void {
    const now = performance.now();
    if (current < this.#total && now - this.#lastAt < INTERVAL_MS) return;
    this.#lastAt = now;
    this.#report({ id: this.#id, status: 'Downloading', current, total: this.#total });
  }
}

export type LayerStatus =
  | 'Pulling fs layer'
  | 'Waiting'
  | 'Verifying Checksum'
  | 'Download complete'
  | 'Already exists';
