import { describeSnapshotter } from '../../../test/support/snapshots/conformance.ts';
import { OverlaySnapshotter } from './overlay.ts';

describeSnapshotter('overlay', (root) => new OverlaySnapshotter(root));
