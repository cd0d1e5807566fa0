import type { ContentStore } from '../../content/content.ts';

/** Largest document that may be a manifest, in bytes. */
const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** The digests that manifests among `blobs` give to layers: compressed forms, which need not be kept. */
export async function layerDigests(
  blobs: Iterable<string>,
  content: Pick<ContentStore, 'size' | 'read'>,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const digest of blobs) {
    const size = content.size(digest);
    if (size === undefined || size > MANIFEST_LIMIT) continue;
    const bytes = await content.read(digest).catch(() => undefined);
    // A layer's own first byte is never a brace.
    if (bytes?.[0] !== 0x7b) continue;
    for (const layer of layersOf(bytes)) found.add(layer);
  }
  return found;
}

function layersOf(bytes: Uint8Array): string[] {
  try {
    const manifest: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof manifest !== 'object' || manifest === null || !('layers' in manifest)) return [];
    if (!Array.isArray(manifest.layers)) return [];
    return manifest.layers.flatMap((layer: { digest?: unknown } | null) =>
      typeof layer?.digest === 'string' ? [layer.digest] : [],
    );
  } catch {
    return [];
  }
}
