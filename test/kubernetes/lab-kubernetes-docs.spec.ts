// The commands of the documentation's pages with a lab whose registry is a Kubernetes API server.
import { describePages } from '../docs-pages.ts';

describe('commands of the documentation about Kubernetes', () =>
  describePages({ needs: 'kube-apiserver', atLeast: 1 }));
