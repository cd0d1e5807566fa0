import type { Volume } from '../../engine/volumes/volumes.ts';
import type { Volume as WireVolume } from '../../wire/volumes.ts';

/** A volume as Docker shows it; a label marks the anonymous ones for its clients. */
export function volumeToWire(volume: Volume, usage?: { size: number; refCount: number }): WireVolume {
  const labels: Record<string, string> = { ...volume.labels };
  if (volume.anonymous) labels['com.docker.volume.anonymous'] ??= '';
  const wire: WireVolume = {
    Driver: volume.driver,
    Labels: Object.keys(labels).length === 0 ? null : labels,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length === 0 ? null : { ...volume.options },
    Scope: volume.scope,
  };
  if (volume.createdAt > 0) {
    wire.CreatedAt = new Date(Math.floor(volume.createdAt / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  }
  if (volume.status !== undefined) wire.Status = { ...volume.status };
  if (usage !== undefined) wire.UsageData = { Size: usage.size, RefCount: usage.refCount };
  return wire;
}
