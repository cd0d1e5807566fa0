/** Smaller buffers are left to the collector: their owners may have been given only a part, or hold more in wait. */
const WORTH = 256 * 1024;

/**
 * Gives a large buffer's memory back at once: the collector sees only how small its object is, and lets tens of
 * megabytes pile up. For buffers that nobody reads any more; one that is only a part of its memory is left alone.
 */
export function freeBuffer({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < WORTH || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}
