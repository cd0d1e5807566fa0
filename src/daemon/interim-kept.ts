import { randomUUID } from 'node:crypto';
import { appendFile, chmod, chown, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TareError } from '../base/errors.ts';
import type { ContextEntry, ContextSync, KeptContexts } from '../engine/builder/context/kept-contexts.ts';

/** Contexts that are not kept, until engine/builder/context/ has those that are. */
export class InterimKept implements KeptContexts {
  constructor(readonly root: string) {}
  async begin(_key: string): Promise<ContextSync> {
    const path = join(this.root, randomUUID());
    await mkdir(path, { recursive: true });
    const entries: ContextEntry[] = [];
    return {
      async announce(more) {
        for (const entry of more) {
          if (entry.path.split('/').includes('..')) throw new TareError('invalid', 'a path leads out');
          entries.push(entry);
          const at = join(path, entry.path);
          const type = entry.mode & 0o170000;
          if (type === 0o040000) await mkdir(at, { mode: entry.mode & 0o7777 });
          else if (type === 0o120000) await symlink(entry.link, at);
          else if (type === 0o100000) await writeFile(at, '', { mode: entry.mode & 0o7777 });
        }
      },
      async wanted() {
        return entries.flatMap((entry, index) =>
          (entry.mode & 0o170000) === 0o100000 ? [{ index, digest: '' }] : [],
        );
      },
      async write(index, bytes) {
        await appendFile(join(path, entries[index]!.path), bytes);
      },
      async end(index) {
        const entry = entries[index]!;
        const at = join(path, entry.path);
        await chown(at, entry.uid, entry.gid);
        await chmod(at, entry.mode & 0o7777);
        await utimes(at, entry.seconds, entry.seconds);
      },
      async receive() {},
      async finish() {
        return { path, digestOf: () => undefined };
      },
      async release() {
        await rm(path, { recursive: true, force: true });
      },
    };
  }
  list() {
    return [];
  }
  async remove() {
    return 0;
  }
  async sweep() {}
  close() {}
}
