import type { Row } from '../../base/template/values.ts';
import type { Volume } from '../../wire/volumes.ts';
import { displayLabels } from './container-list.ts';
import { type Listing, row } from './listing.ts';
import { humanSize } from './size.ts';

/** The columns of `tare volume ls`. */
export const VOLUME_LISTING: Listing = {
  typeName: '*formatter.volumeContext',
  headings: {
    Driver: 'DRIVER',
    Name: 'VOLUME NAME',
    Scope: 'SCOPE',
    Mountpoint: 'MOUNTPOINT',
    Labels: 'LABELS',
    Links: 'LINKS',
    Size: 'SIZE',
    Availability: 'AVAILABILITY',
    Group: 'GROUP',
    Status: 'STATUS',
  },
};

export const VOLUME_TABLE = '{{.Driver}}\t{{.Name}}';

/** A volume as a row. */
export function volumeRow(volume: Volume): Row {
  const usage = volume.UsageData;
  const labels = volume.Labels ?? {};
  return row({
    Driver: volume.Driver,
    Name: volume.Name,
    Scope: volume.Scope,
    Mountpoint: volume.Mountpoint,
    Labels: displayLabels(labels),
    Label: (name: unknown) => labels[String(name)] ?? '',
    Links: usage === undefined ? 'N/A' : String(usage.RefCount),
    Size: usage === undefined ? 'N/A' : humanSize(Math.max(0, usage.Size)),
    // Of Swarm's cluster volumes, which there are none of.
    Availability: 'N/A',
    Group: 'N/A',
    Status: 'N/A',
  });
}
