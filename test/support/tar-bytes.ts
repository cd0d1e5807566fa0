/** Tar archives byte by byte, for those that no tool would write. */

export interface TarItem {
  readonly name: string;
  /** `0` file, `1` hard link, `2` symbolic link, `3` character device, `4` block device, `5` folder. */
  readonly type?: '0' | '1' | '2' | '3' | '4' | '5';
  readonly content?: string | Uint8Array;
  readonly link?: string;
  readonly mode?: number;
  readonly device?: readonly [major: number, minor: number];
}

/** A ustar archive of `items`, in this order, with its end marker. */
export function tarBytes(items: readonly TarItem[]): Uint8Array {
  const blocks = items.flatMap((item) => {
    const body =
      typeof item.content === 'string'
        ? new TextEncoder().encode(item.content)
        : (item.content ?? new Uint8Array());
    const padded = new Uint8Array(Math.ceil(body.length / 512) * 512);
    padded.set(body);
    return [header(item, body.length), padded];
  });
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

function header(item: TarItem, size: number): Uint8Array {
  const block = new Uint8Array(512);
  const text = (offset: number, value: string) => block.set(new TextEncoder().encode(value), offset);
  const octal = (offset: number, length: number, value: number) =>
    text(offset, value.toString(8).padStart(length - 1, '0'));
  const type = item.type ?? '0';
  text(0, item.name);
  octal(100, 8, item.mode ?? (type === '5' ? 0o755 : 0o644));
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, size);
  octal(136, 12, 0);
  text(156, type);
  text(157, item.link ?? '');
  text(257, 'ustar\0' + '00');
  octal(329, 8, item.device?.[0] ?? 0);
  octal(337, 8, item.device?.[1] ?? 0);
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}
