import type { OciResources } from './oci-spec.ts';

type Limits = Omit<OciResources, 'devices'>;

/** crun sets a scope's properties from annotations of this prefix, with values in GVariant's text form. */
const PREFIX = 'org.systemd.property.';

/** True for a `cgroupsPath` that names a slice and a scope of systemd, `system.slice:tare:ID`. */
export function isScope(cgroupsPath: string): boolean {
  return /^[^/:]+\.slice:/.test(cgroupsPath);
}

/**
 * A container's limits as systemd has them (systemd.resource-control(5)): crun 1.8 writes most of them to the cgroup
 * alone, and systemd would take them back when it next goes over the scope.
 */
function scopeProperties({ memory, cpu, pids }: Limits): Record<string, number> {
  const values: Record<string, number | undefined> = {
    MemoryMax: positive(memory?.limit),
    MemoryLow: positive(memory?.reservation),
    // OCI counts memory and swap together.
    MemorySwapMax:
      memory?.limit && memory.swap !== undefined && memory.swap > 0 ? memory.swap - memory.limit : undefined,
    TasksMax: positive(pids?.limit),
    CPUQuotaPerSecUSec: cpuQuota(cpu),
    CPUQuotaPeriodUSec: positive(cpu?.quota) && positive(cpu?.period),
  };
  const set: Record<string, number> = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) set[name] = value;
  return set;
}

/** Annotations for crun: the properties, and no cgroup below the scope, where Docker's runtime has none. */
export function scopeAnnotations(limits: Limits): Record<string, string> {
  const annotations: Record<string, string> = { 'run.oci.systemd.subgroup': '' };
  for (const [name, value] of Object.entries(scopeProperties(limits))) {
    annotations[PREFIX + name] = `uint64 ${value}`;
  }
  return annotations;
}

/** The properties as `systemctl set-property` takes them. */
export function scopeAssignments(limits: Limits): string[] {
  return Object.entries(scopeProperties(limits)).map(([name, value]) => {
    // Microseconds in a second to a share of one processor.
    if (name === 'CPUQuotaPerSecUSec') return `CPUQuota=${value / 10_000}%`;
    return name === 'CPUQuotaPeriodUSec' ? `CPUQuotaPeriodSec=${value}us` : `${name}=${value}`;
  });
}

const positive = (value: number | undefined) => (value !== undefined && value > 0 ? value : undefined);

/** Microseconds of processor time in a second. */
function cpuQuota(cpu: OciResources['cpu']): number | undefined {
  const quota = positive(cpu?.quota);
  return quota && Math.floor((quota * 1_000_000) / (cpu?.period || 100_000));
}
