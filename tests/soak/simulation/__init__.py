"""The service, its database, the network and the EHR of one schedule, on a simulated clock."""
