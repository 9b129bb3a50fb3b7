import { describeKubernetesLife } from '../compliance/kubernetes-life.ts';
import { realServer } from '../../lab/kubernetes/lab-api-server.ts';

describeKubernetesLife('a real API server', realServer);
