import { statSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { deviceNumbers } from '../spec/device-numbers.ts';
import type { OciDevice, OciDeviceRule, OciHook, OciMount, OciSpec } from '../spec/oci-spec.ts';
import type { CdiDeviceNode, CdiEdits, CdiHook } from './cdi-spec.ts';

/** A configuration with edits of CDI devices. Throws `invalid` for a device node that is not on the host. */
export function applyEdits(spec: OciSpec, edits: readonly CdiEdits[]): OciSpec {
  return edits.reduce(applyOne, spec);
}

function applyOne(spec: OciSpec, edits: CdiEdits): OciSpec {
  const { process, linux } = spec;
  const { user } = process;
  const nodes = (edits.deviceNodes ?? []).map((node) => deviceOf(node, user));
  const paths = new Set(nodes.map(({ device }) => device.path));
  const mounts = (edits.mounts ?? []).map(mountOf);
  const targets = new Set(mounts.map(({ destination }) => destination));
  const gids = edits.additionalGids?.filter((gid) => gid !== 0) ?? [];
  return {
    ...spec,
    process: {
      ...process,
      env: withVariables(process.env, edits.env ?? []),
      user:
        gids.length === 0
          ? user
          : { ...user, additionalGids: [...new Set([...(user.additionalGids ?? []), ...gids])] },
    },
    mounts: [...spec.mounts.filter(({ destination }) => !targets.has(destination)), ...mounts],
    ...(edits.hooks && edits.hooks.length > 0 && { hooks: withHooks(spec.hooks, edits.hooks) }),
    linux: {
      ...linux,
      ...(nodes.length > 0 && {
        devices: [
          ...(linux.devices ?? []).filter(({ path }) => !paths.has(path)),
          ...nodes.map(({ device }) => device),
        ],
        resources: {
          ...linux.resources,
          devices: [
            ...(linux.resources?.devices ?? []),
            ...nodes.flatMap(({ rule }) => (rule ? [rule] : [])),
          ],
        },
      }),
    },
  };
}

/** A later value of a name takes the place of an earlier one. */
function withVariables(env: readonly string[], more: readonly string[]): string[] {
  const result = new Map(env.map((entry) => [entry.split('=', 1)[0], entry]));
  for (const entry of more) result.set(entry.split('=', 1)[0], entry);
  return [...result.values()];
}

function mountOf({
  hostPath,
  containerPath,
  type,
  options,
}: NonNullable<CdiEdits['mounts']>[number]): OciMount {
  return {
    destination: containerPath,
    source: hostPath,
    ...(type !== undefined && { type }),
    options: options && options.length > 0 ? options : ['rbind', 'rprivate'],
  };
}

function withHooks(hooks: OciSpec['hooks'], more: readonly CdiHook[]): Record<string, OciHook[]> {
  const result: Record<string, OciHook[]> = {};
  for (const [name, list] of Object.entries(hooks ?? {})) result[name] = [...list];
  for (const { hookName, path, args, env, timeout } of more) {
    result[hookName] = [
      ...(result[hookName] ?? []),
      { path, ...(args && { args }), ...(env && { env }), ...(timeout !== undefined && { timeout }) },
    ];
  }
  return result;
}

/** What the file leaves open is the host's node's. A user other than root owns the node, as in the CDI library. */
function deviceOf(
  node: CdiDeviceNode,
  user: { readonly uid: number; readonly gid: number },
): { device: OciDevice; rule: OciDeviceRule | undefined } {
  const found =
    node.type === undefined || (node.type !== 'p' && node.major === undefined) ? lookUp(node) : undefined;
  const type = (node.type ?? found?.type) as OciDevice['type'];
  const major = node.major ?? found?.major;
  const minor = node.minor ?? found?.minor;
  const uid = node.uid ?? (user.uid > 0 ? user.uid : undefined);
  const gid = node.gid ?? (user.gid > 0 ? user.gid : undefined);
  const fileMode = node.fileMode ?? found?.fileMode;
  const device: OciDevice = {
    type,
    path: node.path,
    ...(major !== undefined && { major }),
    ...(minor !== undefined && { minor }),
    ...(fileMode !== undefined && { fileMode }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  };
  if (type !== 'b' && type !== 'c') return { device, rule: undefined };
  const access = node.permissions || 'rwm';
  return {
    device,
    rule: {
      allow: true,
      type,
      ...(major !== undefined && { major }),
      ...(minor !== undefined && { minor }),
      access,
    },
  };
}

function lookUp(node: CdiDeviceNode): { type: string; major: number; minor: number; fileMode: number } {
  const path = node.hostPath ?? node.path;
  const fail = (why: string): TareError =>
    new TareError(
      'invalid',
      `CDI device injection failed: failed to inject devices: failed to stat CDI host device ${JSON.stringify(path)}: ${why}`,
    );
  let stat: ReturnType<typeof statSync>;
  try {
    stat = statSync(path);
  } catch (error) {
    throw fail(codeOf(error) === 'ENOENT' ? 'no such file or directory' : String(error));
  }
  const type = stat.isBlockDevice() ? 'b' : stat.isCharacterDevice() ? 'c' : stat.isFIFO() ? 'p' : undefined;
  if (type === undefined) throw fail('not a device node');
  return { type, ...deviceNumbers(stat.rdev), fileMode: stat.mode & 0o7777 };
}
