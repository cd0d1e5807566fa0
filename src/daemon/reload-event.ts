import { hostname } from 'node:os';
import type { EngineEvent } from '../engine/events/events.ts';
import type { DaemonConfig } from './config.ts';

/** The event that tells of a reloaded configuration, with those of dockerd's attributes that Tare has. */
export function reloadEvent(id: string, config: DaemonConfig): Omit<EngineEvent, 'timeNano'> {
  const { insecureRegistries, registryMirrors } = config.registries;
  return {
    type: 'daemon',
    action: 'reload',
    id,
    attributes: {
      debug: String(config.debug),
      'insecure-registries': JSON.stringify(insecureRegistries),
      labels: JSON.stringify(config.labels),
      'live-restore': 'true',
      name: hostname(),
      'registry-mirrors': JSON.stringify(registryMirrors),
    },
  };
}
