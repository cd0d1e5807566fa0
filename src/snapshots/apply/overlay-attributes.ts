import { FileType } from '../../kernel/files.ts';

/*
 * How overlayfs marks things (kernel Documentation/filesystems/overlayfs.rst, "whiteouts and opaque
 * directories") and how layer tars do (OCI image-spec layer.md, "Whiteouts").
 */

/** Value `y`: the directory hides what lower layers have at its path. */
export const OPAQUE_XATTR = 'trusted.overlay.opaque';
/** Attributes of overlayfs itself, which are no content. */
export const OVERLAY_XATTR_PREFIX = 'trusted.overlay.';
export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_NAME = '.wh..wh..opq';
/** AUFS's own bookkeeping, which old layers still hold. */
export const AUFS_PREFIX = '.wh..wh.';

/** True for the character device 0/0, which hides its name in lower layers. */
export function isWhiteout(status: {
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
}): boolean {
  return (status.mode & FileType.MASK) === FileType.CHARACTER && status.major === 0 && status.minor === 0;
}

/** Attributes of a layer's member that we never set: they would forge overlayfs's marks. */
export function isForbiddenXattr(name: string): boolean {
  return name.startsWith(OVERLAY_XATTR_PREFIX) || name.startsWith('user.overlay.');
}
