import type { EngineEvent } from '../events/events.ts';
import type { Container } from './model.ts';

/** An event about a container, with the attributes that Docker sends: image, name, labels, and the action's own. */
export function containerEvent(
  container: Container,
  action: string,
  more: Readonly<Record<string, string>> = {},
): Omit<EngineEvent, 'timeNano'> {
  return {
    type: 'container',
    action,
    id: container.id,
    attributes: { ...container.config.labels, image: container.config.image, name: container.name, ...more },
  };
}
