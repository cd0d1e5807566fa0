import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where the runtime keeps its files: all below one directory that need not survive a reboot (a tmpfs), so that
 * a reboot forgets what it ended.
 *
 *     crun/ID/          crun's own state (`crun --root`)
 *     exits/ID          exit code of a container, written by conmon
 *     monitors/ID.json  which processes belong to a container; see `monitor-record.ts`
 *     execs/EXEC/       an exec's monitor: process.json, record.json, exit/ID, conmon's sockets
 *     seccomp/          compiled filters
 *     tmp/              conmon's console sockets, for a moment
 */
export class RuntimePaths {
  readonly crunRoot: string;
  readonly exits: string;
  readonly monitors: string;
  readonly execs: string;
  readonly seccomp: string;
  readonly temporary: string;

  constructor(root: string) {
    this.crunRoot = join(root, 'crun');
    this.exits = join(root, 'exits');
    this.monitors = join(root, 'monitors');
    this.execs = join(root, 'execs');
    this.seccomp = join(root, 'seccomp');
    this.temporary = join(root, 'tmp');
  }

  makeDirectories(): void {
    for (const path of [this.crunRoot, this.exits, this.monitors, this.execs, this.seccomp, this.temporary]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
    // Records that an earlier daemon died over.
    for (const name of readdirSync(this.monitors)) {
      if (name.endsWith('.new')) rmSync(join(this.monitors, name), { force: true });
    }
  }

  crunState(id: string): string {
    return join(this.crunRoot, id);
  }

  exitFile(id: string): string {
    return join(this.exits, id);
  }

  monitorRecord(id: string): string {
    return join(this.monitors, `${id}.json`);
  }

  exec(execId: string): string {
    return join(this.execs, execId);
  }
}
