import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Runtime } from '../../runtime/runtime.ts';
import type { OciResources } from '../../runtime/spec/oci-spec.ts';
import type { ContainerSet } from './container-set.ts';
import type { Resources } from './model.ts';
import type { ContainerPaths } from './paths.ts';

/**
 * An update of a living container changes its cgroup and then its row. A daemon that is killed in between has left a note
 * of it, and the next one completes it: both ways would do, as nobody got an answer, but limits that a container did
 * not have cannot be had back from the row, which only says that there were none. The note lies with the bundle, as it
 * must not outlive the cgroup.
 */
export interface UpdateNote {
  /** What is written to the cgroup. */
  readonly limits: OciResources;
  /** What the row will say. */
  readonly resources: Resources;
}

const pathOf = (paths: ContainerPaths, id: string): string => join(paths.bundle(id), 'update.json');

/** Before the cgroup is touched. Throws when there is no room. */
export function noteUpdate(paths: ContainerPaths, id: string, note: UpdateNote): void {
  writeFileSync(pathOf(paths, id), JSON.stringify(note));
}

/** When row and cgroup say the same. */
export function forgetUpdate(paths: ContainerPaths, id: string): void {
  rmSync(pathOf(paths, id), { force: true });
}

/** Completes what the last daemon did not; nothing without a note. Throws as `Runtime.setLimits`. */
export function completeUpdate(
  parts: {
    readonly set: Pick<ContainerSet, 'get' | 'update'>;
    readonly runtime: Pick<Runtime, 'setLimits'>;
    readonly paths: ContainerPaths;
  },
  id: string,
): void {
  const note = read(pathOf(parts.paths, id));
  if (note !== undefined) {
    parts.runtime.setLimits(id, note.limits);
    const { hostConfig } = parts.set.get(id);
    parts.set.update(id, { hostConfig: { ...hostConfig, resources: note.resources } });
  }
  forgetUpdate(parts.paths, id);
}

/** Undefined when there is none, or half of one: then the cgroup had not been touched. */
function read(path: string): UpdateNote | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as UpdateNote;
  } catch {
    return undefined;
  }
}
