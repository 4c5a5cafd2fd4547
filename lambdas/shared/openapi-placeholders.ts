// Addresses in the checked-in OpenAPI document; whoever serves it puts the deployment's own in their place.

export const documentPlaceholders = {
  signInUrl: "https://sign-in.example.com",
  serverUrl: "https://causeway.example.com",
} as const;
