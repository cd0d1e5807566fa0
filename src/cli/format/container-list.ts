import { quote } from '../../base/template/literals.ts';
import type { Row } from '../../base/template/values.ts';
import type { ContainerSummary } from '../../wire/containers.ts';
import { type Listing, lazy, row } from './listing.ts';
import { displayPorts } from './ports.ts';
import { humanSize } from './size.ts';
import { ago, goTime } from './time.ts';
import { ellipsis, truncateId } from './truncate.ts';

/** The columns of `tare ps`. */
export const CONTAINER_LISTING: Listing = {
  typeName: '*formatter.ContainerContext',
  complaints: { parse: 'failed to parse template', execute: 'failed to execute template' },
  headings: {
    ID: 'CONTAINER ID',
    Names: 'NAMES',
    Image: 'IMAGE',
    Command: 'COMMAND',
    CreatedAt: 'CREATED AT',
    RunningFor: 'CREATED',
    Ports: 'PORTS',
    State: 'STATE',
    Status: 'STATUS',
    Reason: 'REASON',
    Size: 'SIZE',
    Labels: 'LABELS',
    Mounts: 'MOUNTS',
    LocalVolumes: 'LOCAL VOLUMES',
    Networks: 'NETWORKS',
    Platform: 'PLATFORM',
  },
};

/** The default table, with sizes when they were asked for; or the one of `--why`. */
export function containerTable(size: boolean, why = false): string {
  const table = why
    ? '{{.ID}}\t{{.Image}}\t{{.Names}}\t{{.Status}}\t{{.Reason}}'
    : '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';
  return size ? `${table}\t{{.Size}}` : table;
}

export interface ContainerRowOptions {
  readonly trunc: boolean;
  /** Whether the daemon was asked for sizes. */
  readonly size: boolean;
}

/** Names without their slash; in short form without the names that links gave (`/db/alias`). */
function displayNames(names: readonly string[], trunc: boolean): string {
  const own = trunc ? names.filter((name) => name.split('/').length === 2) : names;
  return (own.length > 0 ? own : names).map((name) => name.replace(/^\//, '')).join(',');
}

function displayImage(container: ContainerSummary, trunc: boolean): string {
  if (container.Image === '') return '<no image>';
  if (!trunc) return container.Image;
  // A container whose image lost its name shows the id, which is as long as an id in the first column.
  if (container.Image === container.ImageID || /^sha256:[0-9a-f]{64}$/.test(container.Image)) {
    return truncateId(container.ImageID || container.Image);
  }
  return container.Image.replace(/@sha256:[0-9a-f]+$/, '');
}

function displayMounts(container: ContainerSummary, trunc: boolean): string {
  const names = (container.Mounts ?? []).map((mount) => mount.Name || mount.Source);
  return names.map((name) => (trunc ? ellipsis(name, 15) : name)).join(',');
}

function displaySize(container: ContainerSummary): string {
  const written = humanSize(container.SizeRw ?? 0, 3);
  const total = container.SizeRootFs ?? 0;
  return total > 0 ? `${written} (virtual ${humanSize(total, 3)})` : written;
}

/** Key-value pairs in the order of their keys: `a=1,b=2`. */
export function displayLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}

/** A container as a row of `tare ps`. */
export function containerRow(container: ContainerSummary, { trunc }: ContainerRowOptions): Row {
  const command = trunc ? ellipsis(container.Command, 20) : container.Command;
  const labels = container.Labels ?? {};
  return row({
    ID: trunc ? truncateId(container.Id) : container.Id,
    Names: displayNames(container.Names ?? [], trunc),
    Image: displayImage(container, trunc),
    Command: quote(command),
    CreatedAt: lazy(() => goTime(container.Created)),
    RunningFor: ago(container.Created),
    Ports: displayPorts(container.Ports ?? []),
    State: container.State,
    Status: container.Status,
    Reason: container.Reason ?? '',
    Size: displaySize(container),
    Labels: displayLabels(labels),
    Label: (name: unknown) => labels[String(name)] ?? '',
    Mounts: displayMounts(container, trunc),
    LocalVolumes: String((container.Mounts ?? []).filter((mount) => mount.Driver === 'local').length),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {}).join(','),
    Platform: null,
  });
}
