/** What the routes take and answer; `types.test.ts` compares this and `openapi.json`. */

import type {
  IAdditions,
  IApproval,
  IBuildRequest,
  IChanges,
  ICheck,
  ICleanup,
  IContainer,
  IContainerDetail,
  IDevices,
  IEngines,
  IField,
  IFoundPackage,
  IImageDetail,
  IImageReference,
  IImages,
  IJob,
  IKernelSpec,
  ILeftover,
  INotebook,
  IOutputs,
  IPath,
  IPorts,
  IRemark,
  IStarter,
  ITerminals,
  Packages,
  Settings
} from './types';

/** The answer of each route; \`void\` for an empty one. */
export interface IAnswers {
  'POST /additions': IAdditions;
  'GET /approvals': { readonly notebooks: readonly IApproval[] };
  'POST /approvals': INotebook;
  'DELETE /approvals/{id}': undefined;
  'GET /builds': { readonly builds: readonly IJob[] };
  'POST /builds': IJob;
  'GET /builds/{id}': IJob;
  'DELETE /builds/{id}': IJob;
  'GET /containers': { readonly containers: readonly IContainer[] };
  'GET /containers/{name}': IContainerDetail;
  'DELETE /containers/{name}': undefined;
  'GET /containers/{name}/changes': IChanges;
  'POST /containers/{name}/changes': IAdditions;
  'GET /containers/{name}/logs': { readonly text: string };
  'POST /conversions': IJob;
  'GET /devices': IDevices;
  'GET /engines': IEngines;
  'GET /images': IImages;
  'DELETE /images': undefined;
  'GET /images/detail': IImageDetail;
  'POST /images/detail': IImageDetail;
  'GET /kernels/{id}/ports': IPorts;
  'POST /kernels/{id}/ports/{port}': { readonly url: string };
  'GET /kernels/{id}/terminals': ITerminals;
  'POST /kernels/{id}/terminals': { readonly name: string };
  'DELETE /kernels/{id}/terminals/{name}': undefined;
  'GET /kernels/{id}/terminals/{name}/channel': undefined;
  'GET /kernelspecs': { readonly kernelspecs: readonly IKernelSpec[] };
  'POST /kernelspecs': IKernelSpec;
  'DELETE /kernelspecs/{name}': undefined;
  'GET /leftovers': { readonly leftovers: readonly ILeftover[] };
  'POST /leftovers': ICleanup;
  'POST /lint': { readonly remarks: readonly IRemark[] };
  'GET /notebook': INotebook;
  'GET /outputs': IOutputs;
  'PUT /outputs': IOutputs;
  'POST /paths': { readonly names: readonly IPath[] };
  'POST /packages': IFoundPackage;
  'POST /pulls': IJob;
  'GET /settings': { readonly fields: readonly IField[] };
  'POST /settings': ICheck;
  'GET /starters': { readonly files: readonly IStarter[] };
  'POST /starters': { readonly source: string };
}

/** What is sent to the routes that take a body. */
export interface IBodies {
  'POST /additions': {
    readonly path: string;
    readonly source: string;
    readonly output?: string;
    readonly dockerfile?: string;
    readonly packages?: Packages | null;
  };
  'POST /approvals': {
    readonly path: string;
    readonly settings: Settings;
    readonly items: readonly string[];
  };
  'POST /builds': IBuildRequest;
  'POST /containers/{name}/changes': { readonly dockerfile?: string };
  'POST /conversions': IImageReference & { readonly to: string };
  'POST /images/detail': IImageReference;
  'POST /kernelspecs': IKernelSpec;
  'POST /leftovers': { readonly names: readonly string[] };
  'POST /lint': {
    readonly path: string;
    readonly source: string;
    readonly ignored?: readonly string[];
  };
  'POST /paths': {
    readonly path: string;
    readonly source: string;
    readonly typed: string;
  };
  'POST /packages': { readonly path: string; readonly requirement: string };
  'POST /pulls': IImageReference;
  'PUT /outputs': {
    readonly path: string;
    readonly outputs: 'isolated' | 'trusted';
  };
  'POST /settings': { readonly path: string; readonly settings: Settings };
  'POST /starters': {
    readonly path: string;
    readonly file: string;
    readonly base?: string;
  };
}

/** The query parameters of the routes that take some, as they are written into the address. */
export interface IQueries {
  'GET /containers/{name}/logs': { readonly tail?: string };
  'GET /images': { readonly engine?: string };
  'DELETE /images': { readonly engine?: string; readonly reference: string };
  'GET /images/detail': {
    readonly engine?: string;
    readonly reference: string;
  };
  'GET /notebook': { readonly path: string };
  'GET /outputs': { readonly path: string };
  'GET /starters': { readonly path: string };
}
