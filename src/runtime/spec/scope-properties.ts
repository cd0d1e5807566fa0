import type { OciResources } from './oci-spec.ts';

/** crun sets a scope's properties from annotations of this prefix, with values in GVariant's text form. */
const PREFIX = 'org.systemd.property.';

/** True for a `cgroupsPath` that names a slice and a scope of systemd, `system.slice:tare:ID`. */
export function isScope(cgroupsPath: string): boolean {
  return /^[^/:]+\.slice:/.test(cgroupsPath);
}

/**
 * Annotations by which systemd learns a container's limits (systemd.resource-control(5)): crun 1.8 writes most of
 * them to the cgroup alone, and systemd would take them back when it next goes over the scope. And no cgroup
 * below the scope, where Docker's runtime has none.
 */
export function scopeAnnotations({
  memory,
  cpu,
  pids,
}: Omit<OciResources, 'devices'>): Record<string, string> {
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
  const annotations: Record<string, string> = { 'run.oci.systemd.subgroup': '' };
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) annotations[PREFIX + name] = `uint64 ${value}`;
  }
  return annotations;
}

const positive = (value: number | undefined) => (value !== undefined && value > 0 ? value : undefined);

/** Microseconds of processor time in a second. */
function cpuQuota(cpu: OciResources['cpu']): number | undefined {
  const quota = positive(cpu?.quota);
  return quota && Math.floor((quota * 1_000_000) / (cpu?.period || 100_000));
}
