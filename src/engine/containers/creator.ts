import { mkdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { UndoStack } from '../../base/dispose.ts';
import { isKind, messageOf, TareError } from '../../base/errors.ts';
import { newId, shortId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { checkCapabilities } from '../../runtime/spec/capabilities.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import { parseSecurityOptions } from '../../runtime/spec/security-options.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import type { Image, ImageService } from '../images/images.ts';
import { checkEndpointSettings } from '../networks/endpoint-settings.ts';
import type { NetworkService } from '../networks/networks.ts';
import type { VolumeService } from '../volumes/volumes.ts';
import { checkModes } from './check-modes.ts';
import { checkReferences } from './check-references.ts';
import { checkRequest } from './check-request.ts';
import { type ContainerDefaults, withDefaults } from './container-defaults.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import { noSettings, restingEndpoint } from './endpoints.ts';
import { INITIAL_STATE } from './lifecycle.ts';
import { resolveLinks } from './links.ts';
import { logAttributes } from './logging/log-attributes.ts';
import { logWarnings } from './logging/log-config.ts';
import { fitToMachine } from './machine-check.ts';
import { mergeConfig } from './merge-config.ts';
import type { Container, ContainerConfig, CreateContainer, HostConfig } from './model.ts';
import { networkMode } from './modes.ts';
import { resolveMounts } from './mounts.ts';
import { checkName, randomName } from './names.ts';
import type { ContainerPaths } from './paths.ts';
import { limitSnapshot, storageSize } from './storage-options.ts';
import { checkMapped, keptUser, mappingOf, type UserMapping } from './user-mapping.ts';
import type { VolumeFiller } from './volume-filler.ts';

/** What creating a container takes. */
export interface CreatorParts {
  readonly set: ContainerSet;
  readonly images: Pick<ImageService, 'get'>;
  readonly networks: Pick<NetworkService, 'get'>;
  readonly volumes: VolumeService;
  readonly snapshotter: Snapshotter;
  readonly paths: ContainerPaths;
  readonly filler: VolumeFiller;
  /** Diff id of the layer on top of every image (init-layer.ts). */
  readonly initLayer: string;
  /** The daemon's mapping of users; undefined: none. */
  readonly remap: UserMapping | undefined;
  /** Maps that keep one user; throws `invalid` when it has no subordinate ids. */
  readonly keepUser: (user: { readonly uid: number; readonly gid: number }) => UserMapping;
  /** What it cannot do is dropped with a warning. */
  readonly machine: MachineFacts;
  /** The daemon's driver and its options. */
  readonly defaults: () => ContainerDefaults;
  readonly events: EventBus;
  readonly log: Logger;
}

/** Makes containers: checks the request, merges the image, reserves the name, prepares the snapshot. */
export class ContainerCreator {
  readonly #parts: CreatorParts;

  constructor(parts: CreatorParts) {
    this.#parts = parts;
  }

  /** All or nothing; the row is the last thing that appears. */
  async create(request: CreateContainer): Promise<{ id: string; warnings: string[] }> {
    const { set, images, snapshotter, paths, volumes, events, log } = this.#parts;
    const id = newId();
    const name = request.name ? checkName(request.name) : randomName((candidate) => set.hasName(candidate));
    const image = request.base ?? images.get(request.config.image);
    checkReferences(request, image, (ref) => set.find(ref));
    const config = this.#mergedConfig(id, request, image);
    const asked = withDefaults(request.hostConfig, this.#parts.defaults(), this.#parts.machine.cgroupVersion);
    checkModes(request.config.hostname, asked);
    const kept = keptUser(asked.usernsMode);
    if (kept && request.config.user === '') config.user = `${kept.uid}:${kept.gid}`;
    const mapping = kept && this.#parts.keepUser(kept);
    if (mapping || mappingOf({ hostConfig: asked }, this.#parts.remap)) checkMapped(asked);
    checkRequest(config, asked);
    checkCapabilities(asked.capAdd, asked.capDrop);
    parseSecurityOptions(asked.securityOpt);
    const { resources, warnings } = fitToMachine(asked, this.#parts.machine);
    const hostConfig = { ...asked, resources, links: resolveLinks(asked, (ref) => set.find(ref)) };
    const endpoints = this.#knownEndpoints(request, hostConfig);
    const size = storageSize(asked.storageOpt);
    const undo = new UndoStack();
    set.reserveName(name, id);
    undo.push(() => set.releaseName(name));
    try {
      const layers = [...image.config.rootfs.diff_ids, this.#parts.initLayer];
      const mounts = await resolveMounts(config, hostConfig, {
        volume: async (wanted) => {
          const { volume, created } = await volumes.acquire(wanted, id);
          undo.push(async () => {
            volumes.release(id);
            if (created) await volumes.remove(volume.name, true);
          });
          return volume;
        },
        image: (ref) => request.views?.get(ref) ?? images.get(ref),
        dataRoot: paths.dataRoot,
        writableBelowBinds: request.writableBelowBinds ?? false,
        container: (ref) => {
          const other = set.find(ref);
          if (!other) throw new TareError('invalid', `No such container: ${ref}`);
          return other;
        },
      });
      undo.push(() => snapshotter.remove(id));
      await snapshotter.prepare(id, layers);
      if (size !== undefined) limitSnapshot(snapshotter, id, size);
      undo.push(() => rm(paths.directory(id), { recursive: true, force: true }));
      await mkdir(paths.directory(id), { recursive: true, mode: 0o710 });
      await this.#parts.filler.fill(id, mounts);
      const container: Container = {
        id,
        name,
        createdAt: Date.now(),
        imageId: image.id,
        platform: image.config.os,
        layers,
        snapshotter: snapshotter.name,
        config,
        hostConfig,
        mounts,
        endpoints,
        ports: [],
        state: INITIAL_STATE,
        ...(mapping && { mapping }),
      };
      // Templates and patterns fail here rather than at the start.
      logAttributes(container);
      set.add(container);
      undo.commit();
      volumes.release(id);
      events.emit(containerEvent(container, 'create'));
      return { id, warnings: [...warnings, ...logWarnings(hostConfig.logConfig)] };
    } catch (error) {
      await undo.unwind((failure) => log.warn('undo of a failed create', { id, error: failure }));
      throw error;
    }
  }

  #mergedConfig(id: string, request: CreateContainer, image: Image): ContainerConfig {
    const config = mergeConfig(request.config, image.config.config ?? {});
    if (!config.entrypoint?.length && !config.cmd?.length) {
      throw new TareError('invalid', 'no command specified');
    }
    // `/tmp/` and `/tmp` are one directory.
    if (config.workingDir.startsWith('/')) config.workingDir = resolve(config.workingDir);
    const mode = networkMode(request.hostConfig.networkMode);
    // A container in another's network shares its names too; checkRequest refuses an own host name there.
    if (config.hostname === '' && mode.kind === 'word') {
      config.hostname = mode.word === 'host' ? hostname() : shortId(id);
    }
    return config;
  }

  /** Says "invalid" of a network or container that is not there: after a 404 clients pull the image and try again. */
  #knownEndpoints(request: CreateContainer, host: HostConfig): Container['endpoints'] {
    try {
      return this.#endpoints(request, host);
    } catch (error) {
      throw isKind(error, 'not-found') ? new TareError('invalid', messageOf(error), error) : error;
    }
  }

  /** The endpoints as asked for; addresses come at the start. The first is the one of the network mode. */
  #endpoints(request: CreateContainer, host: HostConfig): Container['endpoints'] {
    const mode = networkMode(host.networkMode);
    if (mode.kind === 'container') {
      this.#parts.set.get(mode.ref);
      return [];
    }
    const primary = mode.word;
    const wanted = new Map(Object.entries(request.endpoints));
    const primaryNetwork = this.#parts.networks.get(primary);
    // The docker CLI calls the default bridge `default`.
    const aliases = [
      primary,
      primaryNetwork.id,
      primaryNetwork.name,
      ...(primary === 'bridge' ? ['default'] : []),
    ];
    const settings = aliases.map((alias) => wanted.get(alias)).find((found) => found !== undefined);
    // The container-wide address is the first network's, whose settings may be there for another reason.
    const { macAddress = '' } = request.config;
    const first = { ...(settings ?? noSettings()), ...(!settings?.macAddress && { macAddress }) };
    const names = new Map([[primaryNetwork.name, first]]);
    for (const [ref, other] of wanted) {
      const network = this.#parts.networks.get(ref);
      if (!names.has(network.name)) names.set(network.name, other);
    }
    return [...names].map(([name, own]) => {
      const network = this.#parts.networks.get(name);
      checkEndpointSettings(network, own);
      return restingEndpoint(network, own);
    });
  }
}
