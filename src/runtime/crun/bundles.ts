import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromNodeError } from '../../kernel/errno.ts';
import { encodeSpec } from '../spec/encode.ts';
import type { OciSpec } from '../spec/oci-spec.ts';
import type { SeccompCache } from './seccomp-cache.ts';

/** What was written into a bundle. */
export interface BundleNotes {
  readonly spec: OciSpec;
  /** The compiled filter was put in place of the policy. */
  readonly compiled: boolean;
}

/** Writes bundles' configurations, with compiled seccomp filters where there are some. */
export class Bundles {
  readonly #seccomp: SeccompCache;
  readonly #notes = new Map<string, BundleNotes>();

  constructor(seccomp: SeccompCache) {
    this.#seccomp = seccomp;
  }

  async write(bundle: string, spec: OciSpec): Promise<void> {
    const compiled = this.#seccomp.compiled(spec);
    try {
      await mkdir(bundle, { recursive: true, mode: 0o700 });
      await writeFile(join(bundle, 'config.json'), encodeSpec(compiled ?? spec), { mode: 0o600 });
    } catch (error) {
      throw fromNodeError(error, 'writing the configuration for the runtime');
    }
    this.#notes.set(bundle, { spec, compiled: compiled !== undefined });
  }

  /** What this or an earlier daemon wrote. Throws when there is no configuration. */
  take(bundle: string): BundleNotes {
    const notes = this.#notes.get(bundle);
    this.#notes.delete(bundle);
    if (notes) return notes;
    try {
      const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as OciSpec;
      return { spec, compiled: false };
    } catch (error) {
      throw fromNodeError(error, 'the configuration for the runtime');
    }
  }

  /**
   * After crun has made the container: keeps the filter that it compiled, or sees that it took the one it was
   * given. False when it did not: the container would run without.
   */
  check(notes: BundleNotes, stateDirectory: string): boolean {
    const { seccomp } = notes.spec.linux;
    if (seccomp === undefined) return true;
    const key = this.#seccomp.key(seccomp);
    if (notes.compiled) return this.#seccomp.verify(key, stateDirectory);
    this.#seccomp.harvest(key, stateDirectory);
    return true;
  }
}
