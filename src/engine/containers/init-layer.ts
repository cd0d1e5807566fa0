import { encodeTarHeader, type TarMember, tarEnd } from '../../archive/tar-writer.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';

const directory = (name: string, mode = 0o755): TarMember => ({ type: 'directory', name, mode });
const file = (name: string, mode = 0o644): TarMember => ({ type: 'file', name, mode });

/**
 * What every container has on top of its image: the mount points that the runtime needs. As a layer of its own,
 * as dockerd's, so that `diff` and `commit` show only what the container itself changed.
 */
const MEMBERS: readonly TarMember[] = [
  file('.dockerenv', 0o755),
  directory('dev'),
  directory('etc'),
  file('etc/hostname', 0o755),
  file('etc/hosts', 0o755),
  { type: 'symlink', name: 'etc/mtab', linkName: '/proc/mounts', mode: 0o777 },
  file('etc/resolv.conf', 0o755),
  directory('proc'),
  directory('sys'),
];

/** Stores the layer if it is not there and returns its diff id. */
export async function ensureInitLayer(snapshotter: Snapshotter): Promise<string> {
  const bytes = Buffer.concat([...MEMBERS.map(encodeTarHeader), tarEnd()]);
  // With its digest given, a layer that is there already is not even unpacked.
  const { diffId } = await snapshotter.applyLayer(
    digestOf(bytes),
    new Response(bytes).body ?? new ReadableStream(),
  );
  return diffId;
}
