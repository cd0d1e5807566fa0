import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Leases } from '../leases/leases.ts';
import type { LayerBlobs } from './layer-blobs.ts';

/**
 * Which compressed forms of layers stay on the disk beside the layers themselves.
 *
 * - `auto`: those that nothing else gives. What an encoder of ours makes again bit for bit is dropped after that was
 *   checked.
 * - `always`: all that were pulled or loaded.
 * - `never`: none. A push then makes another manifest, with another digest.
 */
export type KeepCompressed = 'auto' | 'always' | 'never';

export interface CompressedFormsParts {
  readonly content: Pick<ContentStore, 'remove'>;
  readonly snapshotter: Pick<Snapshotter, 'listLayers'>;
  readonly layerBlobs: Pick<LayerBlobs, 'forms' | 'reproduces'>;
  readonly leases: Pick<Leases, 'isHeld'>;
  readonly policy: () => KeepCompressed;
  readonly log: Logger;
  /** Milliseconds that a pull's images have to themselves before its forms are looked at. */
  readonly delay?: number;
}

/** How long what somebody reads is left alone until it is looked at again, in milliseconds. */
const LATER = 2000;

/** Drops forms by policy, in the background and one after another. A crash leaves both, and nothing is lost. */
export class CompressedForms {
  readonly #parts: CompressedFormsParts;
  readonly #waiting = new Set<string>();
  #timer: Timer | undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: CompressedFormsParts) {
    this.#parts = parts;
  }

  /** Looks at the forms of layers, soon. */
  review(diffIds: Iterable<string>): void {
    if (this.#parts.policy() === 'always') return;
    for (const diffId of diffIds) this.#waiting.add(diffId);
    this.#wake(this.#parts.delay ?? 500);
  }

  /** After the policy has changed, or at start: `never` holds for what was there before, too. */
  reviewAll(): void {
    if (this.#parts.policy() === 'never') {
      this.review(this.#parts.snapshotter.listLayers().map(({ diffId }) => diffId));
    }
  }

  #wake(delay: number): void {
    if (this.#closed || this.#waiting.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#working = this.#working.then(() => this.#work());
    }, delay).unref();
  }

  async #work(): Promise<void> {
    const inUse: string[] = [];
    for (const diffId of [...this.#waiting]) {
      if (this.#closed) return;
      this.#waiting.delete(diffId);
      try {
        if (!(await this.#reviewLayer(diffId))) inUse.push(diffId);
      } catch (error) {
        this.#parts.log.warn('looking at the compressed forms of a layer', {
          layer: diffId,
          error: messageOf(error),
        });
      }
    }
    for (const diffId of inUse) this.#waiting.add(diffId);
    this.#wake(LATER);
  }

  /** Returns false when somebody reads a form that is to go. */
  async #reviewLayer(diffId: string): Promise<boolean> {
    const { content, layerBlobs, leases, log, policy } = this.#parts;
    let free = true;
    for (const { descriptor, from } of layerBlobs.forms(diffId)) {
      const { digest, size } = descriptor;
      if (from !== 'content' || digest === diffId || policy() === 'always') continue;
      if (policy() === 'auto' && !(await layerBlobs.reproduces(digest))) continue;
      if (leases.isHeld(digest) || leases.isHeld(diffId)) {
        free = false;
        continue;
      }
      await content.remove(digest);
      log.debug('dropped the compressed form of a layer', { layer: diffId, digest, bytes: size });
    }
    return free;
  }

  /** Waits for the form that is looked at. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#working;
  }
}
