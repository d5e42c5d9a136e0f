#!/usr/bin/env bash
# A kind cluster with the images of build/images and the platform in it: kind.sh NAMESPACE RELEASE
set -euo pipefail
cd "$(dirname "$0")/.."
command -v kind >/dev/null || { echo "make kind needs kind (kind.sigs.k8s.io)" >&2; exit 1; }

kind get clusters 2>/dev/null | grep -qx tallystick || kind create cluster --config deploy/kind.yaml --wait 2m
kubectl config use-context kind-tallystick >/dev/null
for archive in build/images/*.tar; do kind load image-archive "$archive" --name tallystick; done
if helm status "$2" --namespace "$1" >/dev/null 2>&1; then action=upgrade; else action=install; fi
make "$action" NAMESPACE="$1" RELEASE="$2" VALUES=deploy/values-kind.yaml

echo
echo "orders API      http://127.0.0.1:8001/docs"
