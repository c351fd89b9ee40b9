package kafka

// OpenWith opens a sink with options for its client, such as another network.
var OpenWith = openWith
