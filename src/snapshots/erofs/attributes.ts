import type { ByteString } from '../../archive/byte-string.ts';
import type { TarType } from '../../archive/tar-entry.ts';

const ACL_VERSION = 2;
/** Tags of an access control list's entries (include/uapi/linux/posix_acl.h), in the order that they must have. */
const ACL_TAGS: readonly number[] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20];

/**
 * Whether the kernel would let this attribute be set on a file of this type (xattr(7)). EROFS shows whatever
 * stands in the index, and a malformed access control list would make the file unusable.
 */
export function isKeepable(type: TarType, name: ByteString, value: Uint8Array): boolean {
  if (name.startsWith('user.')) return type === 'file' || type === 'directory';
  if (name === 'system.posix_acl_access') return type !== 'symlink' && isAcl(value);
  if (name === 'system.posix_acl_default') return type === 'directory' && isAcl(value);
  return true;
}

/** The layout that acl(5) has as an attribute: a version, then entries of tag, permissions and id. */
function isAcl(value: Uint8Array): boolean {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.byteLength < 4 || (value.byteLength - 4) % 8 !== 0) return false;
  if (view.getUint32(0, true) !== ACL_VERSION) return false;
  let before = 0;
  const seen = new Set<number>();
  for (let at = 4; at < value.byteLength; at += 8) {
    const tag = view.getUint16(at, true);
    const order = ACL_TAGS.indexOf(tag);
    if (order < before || view.getUint16(at + 2, true) > 7) return false;
    if (seen.has(tag) && tag !== 0x02 && tag !== 0x08) return false;
    seen.add(tag);
    before = order;
  }
  const needsMask = seen.has(0x02) || seen.has(0x08);
  const isWhole = seen.has(0x01) && seen.has(0x04) && seen.has(0x20) && (!needsMask || seen.has(0x10));
  return seen.size === 0 || isWhole;
}
