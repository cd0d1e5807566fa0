import { type ByteString, toText } from '../../archive/byte-string.ts';
import type { TarEntry } from '../../archive/tar-entry.ts';
import { TareError } from '../../base/errors.ts';

/*
 * What Linux can express of what tars can. A layer with more is refused as a whole, by every driver: a tree that is
 * not what the layer says would be worse. Without a bound on paths a layer of some megabytes could take all memory.
 */

/** Longest name of a directory entry in bytes (NAME_MAX). */
const NAME_LIMIT = 255;
/** Longest path in bytes, without the NUL (PATH_MAX); the same for a link's target. */
export const PATH_LIMIT = 4095;
/** The id before the last; the last, -1, means "no change" to chown(2). */
const OWNER_LIMIT = 0xfffffffe;
/** Device numbers have 12 and 20 bits (include/linux/kdev_t.h). */
const MAJOR_LIMIT = 0xfff;
const MINOR_LIMIT = 0xfffff;

/** Throws `corrupt` when `base` in the directory `parent` (a path in the layer) cannot be. */
export function checkName(parent: ByteString, base: ByteString, entry: TarEntry): void {
  if (base.length > NAME_LIMIT)
    throw impossible(entry, `a name in its path is longer than ${NAME_LIMIT} bytes`);
  // Behind the root's slash.
  if (parent.length + 1 + base.length >= PATH_LIMIT) {
    throw impossible(entry, `its path is longer than ${PATH_LIMIT} bytes`);
  }
}

/** Throws `corrupt` when the member's owner, device numbers or target cannot be. */
export function checkFacts(entry: TarEntry): void {
  const { type, uid, gid, major, minor, linkName } = entry;
  if (uid < 0 || uid > OWNER_LIMIT || gid < 0 || gid > OWNER_LIMIT) {
    throw impossible(entry, `its owner ${uid}:${gid} is above ${OWNER_LIMIT}`);
  }
  const isDevice = type === 'character' || type === 'block';
  if (isDevice && !(major >= 0 && major <= MAJOR_LIMIT && minor >= 0 && minor <= MINOR_LIMIT)) {
    throw impossible(entry, `its device number ${major}:${minor} is above ${MAJOR_LIMIT}:${MINOR_LIMIT}`);
  }
  if (type === 'symlink' && (linkName === '' || linkName.length > PATH_LIMIT)) {
    throw impossible(entry, `its target is empty or longer than ${PATH_LIMIT} bytes`);
  }
}

function impossible(entry: TarEntry, reason: string): TareError {
  const name = toText(entry.name);
  const shown = name.length > 300 ? `${name.slice(0, 300)}...` : name;
  return new TareError('corrupt', `invalid layer: the member "${shown}": ${reason}`);
}
