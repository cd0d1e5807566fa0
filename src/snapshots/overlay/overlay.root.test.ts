import { describeSnapshotter } from '../conformance.ts';
import { OverlaySnapshotter } from './overlay.ts';

describeSnapshotter('overlay', (root) => new OverlaySnapshotter(root));
