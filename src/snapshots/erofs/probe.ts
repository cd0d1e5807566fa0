import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { encodeTarHeader, tarEnd } from '../../archive/tar-writer.ts';
import { messageOf, TareError } from '../../base/errors.ts';
import { fromNodeError } from '../../kernel/errno.ts';
import { mount, unmount } from '../../kernel/mount.ts';
import { ErofsJob } from './erofs-job.ts';

const TEXT = 'tare';
const PROBING = 'trying whether the data root takes EROFS layers';

/**
 * Tells whether layers below `dataRoot` can be mounted, by doing it: a layer with a file and a whiteout, and an
 * overlay over it. It takes a kernel with file-backed EROFS (6.12, CONFIG_EROFS_FS_BACKED_BY_FILE) and a file system
 * that lets it (not overlayfs, not tmpfs). Undefined: it works; else a `not-implemented` that says what does not.
 * Throws `exhausted` when the disk has no room for the try.
 */
export function whyNoErofs(dataRoot: string): TareError | undefined {
  const base = madeBase(dataRoot);
  const at = (name: string): string => `${base}/${name}`;
  const mounted: string[] = [];
  try {
    for (const name of ['layers', 'm', 'u', 'w', 'root']) mkdirSync(at(name));
    const request = {
      kind: 'erofs',
      ingest: at('ingest'),
      layers: at('layers'),
      tree: '',
      short: '',
    } as const;
    const job = new ErofsJob({ ...request, diffId: undefined });
    job.push(encodeTarHeader({ type: 'file', name: 'file', mode: 0o644, size: TEXT.length }));
    job.push(Buffer.alloc(512).fill(TEXT, 0, TEXT.length));
    job.push(encodeTarHeader({ type: 'file', name: '.wh.gone', mode: 0o644 }));
    job.push(tarEnd());
    const { meta } = job.finish();
    const entry = `${base}/layers/${meta.diffId.slice('sha256:'.length)}`;
    mount('erofs', `${entry}/index`, at('m'), ['ro', `device=${entry}/tar`]);
    mounted.push(at('m'));
    const options = [`lowerdir=${at('m')}`, `upperdir=${at('u')}`, `workdir=${at('w')}`];
    mount('overlay', 'overlay', at('root'), [...options, 'index=off', 'redirect_dir=off', 'metacopy=off']);
    mounted.push(at('root'));
    if (readFileSync(at('root/file'), 'utf8') === TEXT) return undefined;
    return obstacle('a file in it reads wrongly');
  } catch (error) {
    const known = fromNodeError(error, PROBING);
    if (known.kind === 'exhausted') throw known;
    return obstacle(messageOf(error));
  } finally {
    for (const target of mounted.reverse()) unmount(target);
    rmSync(base, { recursive: true, force: true });
  }
}

function madeBase(dataRoot: string): string {
  try {
    mkdirSync(dataRoot, { recursive: true });
    return mkdtempSync(`${dataRoot}/.probe-`);
  } catch (error) {
    throw fromNodeError(error, PROBING);
  }
}

function obstacle(reason: string): TareError {
  return new TareError(
    'not-implemented',
    `EROFS cannot be mounted from files in the data root (${reason}); it takes Linux 6.12 or later and a data root that is neither on overlayfs nor on tmpfs`,
  );
}
