import { createHash } from 'node:crypto';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { OciSeccomp, OciSpec } from '../spec/oci-spec.ts';

const ANNOTATION = 'run.oci.seccomp_bpf_data';
/** Where crun leaves the compiled filter of a container, in its state directory; execs use it from there. */
const COMPILED = 'seccomp.bpf';

/**
 * Compiled seccomp filters. libseccomp takes 10 to 20 ms for Docker's policy, at every start. So the filter that
 * crun compiled for the first container with a policy is kept and handed over ready-made for the next ones, in an
 * annotation of crun's. The key covers the policy (which depends on capabilities), crun and the kernel.
 */
export class SeccompCache {
  readonly #directory: string;
  readonly #machine: string;
  readonly #keys = new WeakMap<OciSeccomp, string>();
  readonly #filters = new Map<string, string | undefined>();
  #honoured: boolean | undefined;

  constructor(directory: string, crun: string) {
    this.#directory = directory;
    const { size, mtimeMs } = statSync(crun);
    this.#machine = `${crun} ${size} ${mtimeMs} ${release()} ${process.arch}`;
  }

  /** False once crun was seen to ignore the annotation; undefined while it was never tried. */
  get honoured(): boolean | undefined {
    return this.#honoured;
  }

  key(policy: OciSeccomp): string {
    let key = this.#keys.get(policy);
    if (key === undefined) {
      key = createHash('sha256')
        .update(this.#machine)
        .update(JSON.stringify(policy))
        .digest('hex')
        .slice(0, 40);
      this.#keys.set(policy, key);
    }
    return key;
  }

  /** The spec with its policy replaced by the compiled filter, or undefined when it is not there. */
  compiled(spec: OciSpec): OciSpec | undefined {
    const { seccomp, ...linux } = spec.linux;
    if (seccomp === undefined || this.#honoured === false) return undefined;
    const filter = this.#filter(this.key(seccomp));
    if (filter === undefined) return undefined;
    return { ...spec, linux, annotations: { ...spec.annotations, [ANNOTATION]: filter } };
  }

  #filter(key: string): string | undefined {
    if (this.#filters.has(key)) return this.#filters.get(key);
    let filter: string | undefined;
    try {
      filter = readFileSync(join(this.#directory, key), 'latin1');
    } catch {
      return undefined;
    }
    this.#filters.set(key, filter);
    return filter;
  }

  /** Keeps the filter that crun compiled for a container. A failure only costs the next start some time. */
  harvest(key: string, stateDirectory: string): void {
    try {
      const filter = readFileSync(join(stateDirectory, COMPILED)).toString('base64');
      if (filter === '') return;
      const path = join(this.#directory, key);
      writeFileSync(`${path}.new`, filter, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      this.#filters.set(key, filter);
    } catch {
      // Not there: crun was built without seccomp, or the container has gone.
    }
  }

  /**
   * Checks that crun took the filter: its state directory then holds the same bytes. Looked at every start, because
   * a container must never run without the filter it was promised.
   */
  verify(key: string, stateDirectory: string): boolean {
    const filter = this.#filters.get(key);
    let honoured = false;
    try {
      honoured =
        filter !== undefined &&
        statSync(join(stateDirectory, COMPILED)).size === Buffer.byteLength(filter, 'base64');
    } catch {
      honoured = false;
    }
    this.#honoured = honoured;
    return honoured;
  }
}
